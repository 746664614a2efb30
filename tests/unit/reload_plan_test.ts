import assert from "assert";
import { stringify } from "toml";
import { planReload } from "../../src/app/reload_plan.ts";
import type { Config } from "../../src/config/config.ts";
import { SCHEMA_KEYS } from "../../src/config/keys.ts";
import { parseConfig } from "../../src/config/parse.ts";
import type { KeySpec } from "../../src/config/spec.ts";

/** The configuration of a file that holds these sections. */
function configOf(sections: Record<string, Record<string, unknown>> = {}): Config {
  const parsed = parseConfig({ text: stringify(sections), fileName: "test.toml", env: {} });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return parsed.config;
}

/** Keys that are only valid together with another. */
const COMPANIONS: Readonly<Record<string, Record<string, unknown>>> = {
  "server.tls_cert": { tls_key: "/etc/other.pem" },
  "server.tls_key": { tls_cert: "/etc/other.pem" },
  "webrtc.udp": { tcp: true },
};

/** Another valid value than the default. */
function otherValue(spec: KeySpec): unknown {
  switch (spec.type) {
    case "integer":
      return spec.default + (spec.even ? 2 : 1);
    case "boolean":
      return !spec.default;
    case "choice":
      return spec.choices.find((choice) => choice !== spec.default);
    case "path":
      return "/srv/other";
    case "name":
      return "other";
    case "url":
      return "http://203.0.113.7:10110";
    case "host":
    case "ip_address":
      return "203.0.113.7";
    case "socket_address":
    case "optional_socket_address":
      return "127.0.0.1:1";
    case "origins":
      return ["https://example.com"];
    case "public_ports":
      return [10111, 10112, 10113, 10114, 10115].map((port) => `${port}=${port + 30_000}`);
    case "json_table":
      return { device: 1 };
    case "path_table":
      return { anna: "/srv/anna.mp4" };
  }
}

for (const { name, section, key, spec } of SCHEMA_KEYS) {
  Deno.test(`planReload: ${name} is noticed and needs "${spec.effect}"`, () => {
    const running = configOf();
    const wanted = configOf({
      [section]: { [key]: otherValue(spec), ...COMPANIONS[name] },
    });
    const { changes, config } = planReload(running, wanted);
    assert.ok(changes[spec.effect].includes(name));
    const taken = spec.effect === "restart" ? running : wanted;
    const sectionOf = (each: Config) => (each as Record<string, unknown>)[section];
    assert.deepEqual(sectionOf(config), sectionOf(taken));
  });
}

Deno.test("planReload: nothing changed, nothing to do", () => {
  const { changes, config } = planReload(configOf(), configOf());
  assert.deepEqual(changes, { live: [], sessions: [], restart: [] });
  assert.deepEqual(config, configOf());
});

Deno.test("planReload: what follows from the ports follows from those that are bound", () => {
  const running = configOf();
  const wanted = configOf({ webrtc: { port_min: 20_000, port_max: 20_001 } });
  const { changes, config } = planReload(running, wanted);
  assert.deepEqual(changes, {
    live: [],
    sessions: [],
    restart: ["webrtc.port_min", "webrtc.port_max"],
  });
  assert.deepEqual(config, running);
  const limited = configOf({ webrtc: { port_max: 10_120 }, sessions: { max: 3 } });
  assert.equal(planReload(running, limited).config.sessions.max, 3);
});

Deno.test("planReload: each key goes its own way, in the order of the file", () => {
  const running = configOf();
  const wanted = configOf({
    log: { level: "warn" },
    video: { width: 640, bitrate_kbps: 900 },
    idle: { source: "/srv/idle.png" },
  });
  const { changes, config } = planReload(running, wanted);
  assert.deepEqual(changes, {
    live: ["video.bitrate_kbps", "log.level"],
    sessions: ["idle.source"],
    restart: ["video.width"],
  });
  assert.deepEqual(config.video, { ...running.video, bitrateKbps: 900 });
  assert.deepEqual(
    planReload(config, wanted).changes,
    { live: [], sessions: [], restart: ["video.width"] },
    "what needs a restart is named until there was one",
  );
});
