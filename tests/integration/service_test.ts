import assert from "assert";
import { mintToken } from "../../src/signalling/access.ts";
import { eventually } from "../support/deadline.ts";
import { compileTestRenderer } from "../support/renderers/native.ts";
import { ServiceProcess } from "../support/servers/service_process.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

/** Whether somebody has a UDP port of loopback. */
function isBound(port: number): boolean {
  try {
    Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }).close();
    return false;
  } catch {
    return true;
  }
}

/** What a page of that origin is told that offers nonsense by WHEP. */
async function offersFrom(origin: string, { httpPort }: ServiceProcess): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/whep/main`, {
    method: "POST",
    headers: { Origin: origin, "Content-Type": "application/sdp" },
    body: "nonsense",
  });
  await response.body?.cancel();
  return response.status;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("service: READY comes when the ports are bound and HTTP answers, not before", async () => {
  await using service = await ServiceProcess.start();
  await service.hears("READY=1");
  assert.deepEqual(service.mediaPorts.map(isBound), [true, true]);
  assert.equal(await service.status("/healthz"), 200);
  assert.equal(service.told[0], "READY=1\n");
  await service.hears("STATUS=Serving: 0 sessions, 0 viewers");
  assert.ok(
    !service.told.some((each) => each.includes("WATCHDOG")),
    "there is no watchdog to feed",
  );
  service.signal("SIGTERM");
  assert.equal(await service.ended(), 0);
  assert.ok(service.told.some((each) => each.startsWith("STOPPING=1\n")));
});

Deno.test("service: a server that cannot start never says READY", async () => {
  await using service = await ServiceProcess.start({ config: `renderer.library = "/nowhere.so"` });
  assert.equal(await service.ended(), 1);
  assert.deepEqual(service.told, []);
});

Deno.test("service: the watchdog is fed while the event loop turns, and not while it does not", async () => {
  await using service = await ServiceProcess.ready({ env: { WATCHDOG_USEC: "400000" } });
  const fed = () => service.told.filter((each) => each === "WATCHDOG=1\n").length;
  await eventually(() => fed() >= 3, { what: "to be fed" });
  service.signal("SIGSTOP");
  const before = fed();
  await pause(1_500);
  assert.ok(fed() <= before + 1, "one may have been on its way");
  service.signal("SIGCONT");
  await eventually(() => fed() >= before + 2, { what: "to be fed again" });
  service.signal("SIGTERM");
  assert.equal(await service.ended(), 0);
});

Deno.test("service: SIGTERM tells viewers, and the server leaves with 0", async () => {
  await using service = await ServiceProcess.ready();
  await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
  service.signal("SIGTERM");
  assert.equal((await viewer.nextOf("error")).code, "shutting_down");
  assert.equal((await viewer.socketClosed()).code, 1001);
  assert.equal(await service.ended(), 0);
  assert.equal(service.events("session_closed").length, 1);
  assert.deepEqual(service.events("stop_took_too_long"), []);
});

Deno.test("service: with server.drain_s viewers stay until they leave, and nobody new comes in", async () => {
  await using service = await ServiceProcess.ready({ config: "server.drain_s = 600" });
  await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
  service.signal("SIGTERM");
  const notice = await viewer.nextOf("notice");
  assert.deepEqual([notice.code, notice.seconds], ["shutting_down", 600]);
  const stopping = service.told.find((each) => each.startsWith("STOPPING=1\n")) ?? "";
  assert.match(stopping, /^EXTEND_TIMEOUT_USEC=615000000$/m);
  assert.equal(await service.status("/readyz"), 503);
  await using late = await WeriftViewer.join(service.signallingUrl("other"));
  assert.equal((await late.nextOf("error")).code, "shutting_down");
  const received = viewer.packets.length;
  await viewer.receives(received + 30);
  viewer.send({ type: "bye" });
  assert.equal(await service.ended(), 0);
});

Deno.test("service: a second signal ends the process at once", async () => {
  await using service = await ServiceProcess.ready({ config: "server.drain_s = 600" });
  await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
  service.signal("SIGTERM");
  await viewer.nextOf("notice");
  service.signal("SIGINT");
  assert.equal(await service.ended(), 1);
  await viewer.socketClosed();
});

Deno.test("service: told to stop while the renderer opens, it says so at once and never listens", async () => {
  const library = await compileTestRenderer("faulty");
  const folder = await Deno.makeTempDir({ prefix: "pinhole-test-" });
  const file = `${folder}/open`;
  try {
    await using service = await ServiceProcess.start({
      config: `renderer.library = "${library}"\nrenderer.options.fault = "open_waits"`,
      env: { OPENS_WITH: file },
    });
    await service.logs("starting");
    service.signal("SIGTERM");
    const { signal, waits_for } = await service.logs("stopping");
    assert.deepEqual({ signal, waits_for }, { signal: "SIGTERM", waits_for: "renderer" });
    await service.hears("STOPPING=1");
    await Deno.writeTextFile(file, "");
    assert.equal(await service.ended(), 0, service.lines.join("\n"));
    assert.equal(service.events("renderer_opened").length, 1);
    assert.deepEqual(service.events("listening"), []);
    assert.equal(service.events("stopped").length, 1);
    assert.deepEqual(service.told, ["STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\n"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("service: a second signal while the renderer opens ends the process at once", async () => {
  const library = await compileTestRenderer("faulty");
  await using service = await ServiceProcess.start({
    config: `renderer.library = "${library}"\nrenderer.options.fault = "open_waits"`,
    env: { OPENS_WITH: "/nowhere/open" },
  });
  await service.logs("starting");
  service.signal("SIGTERM");
  await service.logs("stopping");
  service.signal("SIGINT");
  assert.equal(await service.ended(), 1);
});

Deno.test("service: SIGHUP takes over what can change, and names what needs a restart", async () => {
  await using service = await ServiceProcess.ready({ config: `log.level = "warn"` });
  await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
  service.writeConfig([
    // Without it nothing below would be in the log.
    `log.level = "info"`,
    "video.bitrate_kbps = 600",
    "audio.bitrate_kbps = 24",
    "video.fps = 25",
    "sessions.max = 1",
    `server.allowed_origins = ["https://example.com"]`,
  ].join("\n"));
  service.signal("SIGHUP");
  const { changed, new_sessions } = await service.logs("config_reloaded");
  assert.equal(
    changed,
    "server.allowed_origins video.bitrate_kbps sessions.max log.level",
  );
  assert.equal(new_sessions, "audio.bitrate_kbps");
  assert.equal((await service.logs("restart_needed")).keys, "video.fps");
  const received = viewer.packets.length;
  await viewer.receives(received + 30);
  await using second = await WeriftViewer.join(service.signallingUrl("other"));
  assert.equal((await second.nextOf("error")).code, "session_full");
  assert.equal(await offersFrom("https://example.com", service), 400, "refused for its SDP alone");
  assert.equal(await offersFrom("https://example.org", service), 403);
  service.signal("SIGTERM");
  assert.equal(await service.ended(), 0);
});

Deno.test("service: a bad file changes nothing, and every problem is said", async () => {
  await using service = await ServiceProcess.ready();
  service.writeConfig([`log.level = "debug"`, "video.fps = 0", "sessions.maxx = 1"].join("\n"));
  service.signal("SIGHUP");
  await service.logs("reload_refused", 2);
  const problems = service.events("reload_refused").map(({ problem }) => String(problem));
  assert.match(problems.join("\n"), /video\.fps = 0: must be a whole number/);
  assert.match(
    problems.join("\n"),
    /sessions\.maxx = 1: unknown key; did you mean sessions\.max\?/,
  );
  assert.deepEqual(service.events("config_reloaded"), []);

  service.writeConfig(`idle.source = "/nowhere.png"\nlog.level = "error"`);
  service.signal("SIGHUP");
  await service.logs("reload_refused", 3);
  assert.match(String((await service.logs("reload_refused", 3)).problem), /idle\.source.*nowhere/);

  assert.equal(await service.status("/readyz"), 200);
  service.signal("SIGTERM");
  assert.equal(await service.ended(), 0);
  assert.equal(service.events("stopping").length, 1, "the level is still that of the first file");
});

Deno.test("service: SIGHUP reads the secret anew", async () => {
  const path = await Deno.makeTempFile();
  await Deno.chmod(path, 0o600);
  await Deno.writeTextFile(path, "a".repeat(40));
  await using service = await ServiceProcess.ready({ config: `auth.secret_file = "${path}"` });
  const sessionsWith = async (secret: string) => {
    const token = await mintToken(new TextEncoder().encode(secret), { session: "*", ttlS: 60 });
    return await service.status(`/api/sessions?token=${token}`);
  };
  const [former, next] = ["a".repeat(40), "b".repeat(40)];
  assert.deepEqual([await sessionsWith(former), await sessionsWith(next)], [200, 401]);
  await Deno.writeTextFile(path, next);
  service.signal("SIGHUP");
  await service.logs("config_reloaded");
  assert.deepEqual([await sessionsWith(former), await sessionsWith(next)], [401, 200]);
  await Deno.writeTextFile(path, "short");
  service.signal("SIGHUP");
  assert.match(String((await service.logs("reload_refused")).problem), /auth\.secret_file/);
  assert.equal(await sessionsWith(next), 200);
  await Deno.remove(path);
});

Deno.test("service: in the journal each line has a priority; elsewhere none has, whatever the variable says", async () => {
  const stream =
    'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); export JOURNAL_STREAM; exec "$@"';
  {
    await using service = await ServiceProcess.ready({ wrapper: ["sh", "-c", stream, "sh"] });
    assert.deepEqual(service.lines.filter((line) => !/^<[3467]>\{/.test(line)), []);
    assert.ok(service.lines.some((line) => line.includes('"event":"listening"')));
  }
  {
    await using service = await ServiceProcess.start({
      wrapper: ["sh", "-c", stream, "sh"],
      config: "video.fps = 0",
    });
    assert.equal(await service.ended(), 2);
    await eventually(() => service.lines.length > 0, { what: "for the reason" });
    assert.match(service.lines[0] ?? "", /^<3>pinhole: .*video\.fps = 0/);
  }
  await using service = await ServiceProcess.ready({ env: { JOURNAL_STREAM: "8:1234" } });
  assert.deepEqual(service.lines.filter((line) => !line.startsWith("{")), []);
});

Deno.test("service: one line names every listener and where it is seen from outside", async () => {
  await using service = await ServiceProcess.ready({
    config: [
      `server.public_url = "http://203.0.113.7:10110"`,
      `webrtc.public_ip = "203.0.113.7"`,
      "webrtc.public_port_min = 40000",
      "webrtc.tcp = true",
    ].join("\n"),
  });
  const [first, last] = service.mediaPorts;
  const { http, udp, tcp, public: mapping, page } = await service.logs("listening");
  assert.deepEqual({ http, udp, tcp, mapping, page }, {
    http: `http://127.0.0.1:${service.httpPort}`,
    udp: `${first}-${last}`,
    tcp: `${first}-${last}`,
    mapping: "203.0.113.7:40000-40001",
    page: "http://203.0.113.7:10110",
  });
});

Deno.test("service: every line about a session or a viewer says which session", async () => {
  await using service = await ServiceProcess.ready();
  await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
  viewer.send({ type: "bye" });
  await service.logs("session_closed");
  const about = service.log.filter(({ event }) => /^(session|viewer|peer|encoder)_/.test(event));
  assert.ok(about.length >= 5, `${about.length} lines`);
  assert.deepEqual(about.filter(({ session }) => session !== "main"), []);
});
