import assert from "assert";
import { descriptorWarning, shareDescriptors } from "../../src/app/descriptors.ts";
import type { Config } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/parse.ts";

function configOf(text = ""): Config {
  const parsed = parseConfig({ text, fileName: "config.toml", env: {} });
  assert.ok("config" in parsed);
  return parsed.config;
}

/** What all connections together can take, beside everything else. */
function connectionsOf(limit: number, text: string): number {
  const config = configOf(text);
  const { http, operators, perMediaPort } = shareDescriptors(limit, config);
  const { webrtc: { portMin, portMax }, server: { adminListen } } = config;
  return http + (adminListen ? operators : 0) + (portMax - portMin + 1) * (1 + perMediaPort);
}

Deno.test("shareDescriptors: connections leave a reserve below the limit, whatever listens", () => {
  const texts = [
    "",
    "[webrtc]\ntcp = true",
    "[webrtc]\ntcp = true\nport_max = 10140",
    '[server]\nadmin_listen = "127.0.0.1:9001"\n[webrtc]\npeers_per_port = 256',
  ];
  for (const text of texts) {
    for (const limit of [512, 1024, 4096, 65_536]) {
      const taken = connectionsOf(limit, text);
      assert.ok(taken <= limit - 100, `${taken} of ${limit} with ${text}`);
    }
  }
});

Deno.test("shareDescriptors: with enough of them, or an unknown number, every limit is what it is made for", () => {
  const config = configOf("[webrtc]\ntcp = true");
  const all = shareDescriptors(undefined, config);
  const { http, webSockets, perMediaPort, unprovenPerMediaPort } = all;
  assert.deepEqual([http, webSockets, perMediaPort, unprovenPerMediaPort], [1280, 1024, 512, 32]);
  assert.deepEqual(shareDescriptors(65_536, config), all);
  for (const limit of [undefined, 65_536, Infinity]) {
    assert.equal(descriptorWarning(limit, config), undefined);
  }
});

Deno.test("descriptorWarning: names the limit, what it costs and what to allow", () => {
  const warning = descriptorWarning(1024, configOf());
  assert.match(warning?.text ?? "", /may have 1024 open files.* \d+ HTTP .* instead of 1280/);
  const [, wanted] = /LimitNOFILE=(\d+)/.exec(warning?.fix ?? "") ?? [];
  assert.equal(descriptorWarning(Number(wanted), configOf()), undefined);
  const tcp = configOf("[webrtc]\ntcp = true");
  const [, wantedByTcp] = /LimitNOFILE=(\d+)/.exec(descriptorWarning(2048, tcp)?.fix ?? "") ?? [];
  assert.ok(Number(wantedByTcp) > 2048);
  assert.equal(descriptorWarning(Number(wantedByTcp), tcp), undefined);
});
