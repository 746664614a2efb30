import assert from "assert";
import { fileURLToPath } from "node:url";
import type { LogFields } from "../../src/base/log.ts";
import { RendererError } from "../../src/renderer/renderer_error.ts";
import { LogRecord } from "../support/renderers/bridge.ts";
import { eventually } from "../support/deadline.ts";
import { compileTestRenderer } from "../support/renderers/native.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

const FPS = 30;
const RTP_HZ = 90_000;

/**
 * A hole in the pictures of a session whose renderer behaves: a busy machine makes some of a few hundred milliseconds,
 * and a call of 2 s that held it up would make one as long.
 */
const HOLE_MS_MAX = 1_500;

/** Pictures of the good session that have to come while another one misbehaves. */
const PICTURES = 20;

/** One kind of misbehaviour, and what the log says of it. */
interface Manner {
  readonly misbehave: string;
  /** Left out: nothing, as it is followed. */
  readonly event?: string;
  readonly says?: Readonly<Record<string, unknown>>;
  /** A message of the viewer brings it out. */
  readonly message?: boolean;
  /** The event is only for viewers that do not keep up; the others get what the renderer says. */
  readonly orMessage?: boolean;
}

const RENDER_FAILED = "renderer_call_failed";

const MANNERS: readonly Manner[] = [
  {
    misbehave: "error_once",
    event: RENDER_FAILED,
    says: { call: "render", in_a_row: 1, error: /The model fell over/ },
  },
  {
    misbehave: "error_always",
    event: RENDER_FAILED,
    says: { call: "render", in_a_row: 3, error: /The model fell over/ },
  },
  { misbehave: "error_mute", event: RENDER_FAILED, says: { error: /status -8/ } },
  { misbehave: "null_plane", event: RENDER_FAILED, says: { error: /plane 1 is null/ } },
  { misbehave: "short_stride", event: RENDER_FAILED, says: { error: /stride of 80 bytes/ } },
  { misbehave: "short_bytes", event: RENDER_FAILED, says: { error: /plane 0 has 100 bytes/ } },
  { misbehave: "odd_size", event: RENDER_FAILED, says: { error: /its width is 159/ } },
  { misbehave: "huge_size", event: RENDER_FAILED, says: { error: /its height is 1000000/ } },
  { misbehave: "bad_format", event: RENDER_FAILED, says: { error: /its format is 99/ } },
  { misbehave: "audio_garbage", event: RENDER_FAILED, says: { call: "audio" } },
  { misbehave: "audio_error", event: RENDER_FAILED, says: { error: /The voice is gone/ } },
  { misbehave: "message_lie", event: RENDER_FAILED, says: { call: "poll_message" } },
  {
    misbehave: "message_error",
    event: "renderer_message_failed",
    says: { error: /No letters, please/ },
    message: true,
  },
  { misbehave: "message_flood", event: "viewer_messages_missed", orMessage: true },
  { misbehave: "slow_once", event: "renderer_stalled", says: { call: "render" } },
  { misbehave: "slow_always", event: "renderer_stalled", says: { call: "render" } },
  { misbehave: "slow_steady" },
  { misbehave: "size_change" },
  { misbehave: "format_change" },
  { misbehave: "backwards" },
  { misbehave: "forwards" },
  { misbehave: "overwrite" },
  { misbehave: "idle" },
  { misbehave: "audio_drift" },
];

const HOST = [
  Deno.execPath(),
  "run",
  "--allow-ffi",
  "--allow-read",
  fileURLToPath(new URL("../testdata/bridge/host.ts", import.meta.url)),
] as const;

/** A server with a session whose renderer behaves. */
interface Neighbourhood {
  readonly server: TestServer;
  readonly log: LogRecord;
  readonly good: WeriftViewer;
}

async function withNeighbour(use: (there: Neighbourhood) => Promise<void>): Promise<void> {
  const log = new LogRecord();
  const library = await compileTestRenderer("bad_citizen");
  await using server = await startTestServer({ renderer: { library } }, { log: log.logger });
  await using good = await WeriftViewer.play(server.signallingUrl("good"));
  await use({ server, log, good });
  assert.deepEqual(log.events.filter(({ fields }) => isBad("good", fields)), []);
}

function isBad(session: string, fields: LogFields): boolean {
  return fields.session === session && fields.error !== undefined;
}

/** Waits for some more pictures of a session whose renderer behaves; they come at its frame rate, without holes. */
async function keepsItsRate({ packets }: WeriftViewer): Promise<void> {
  const from = packets.length;
  const timestamps = () => [...new Set(packets.slice(from).map(({ timestamp }) => timestamp))];
  await eventually(() => timestamps().length > PICTURES, { what: "for the other session" });
  const gapsMs = timestamps().slice(1)
    .map((timestamp, at) => (timestamp - (timestamps()[at] ?? 0)) * 1000 / RTP_HZ)
    .sort((a, b) => a - b);
  // A busy machine skips some pictures; a session that was held up would have none at their pace.
  const usual = gapsMs[Math.floor(gapsMs.length / 4)] ?? Infinity;
  assert.ok(usual < 1.5 * 1000 / FPS, `The other session has a picture each ${usual} ms`);
  assert.ok(
    (gapsMs.at(-1) ?? 0) < HOLE_MS_MAX,
    `The other session has a hole: ${gapsMs.at(-1)} ms`,
  );
}

/** Waits until pictures come at their rate again after an interruption. */
async function comesBack(viewer: WeriftViewer): Promise<void> {
  const steady = async () => {
    try {
      await keepsItsRate(viewer);
      return true;
    } catch {
      return false;
    }
  };
  await eventually(steady, { what: "for the session to come back" });
}

function says(fields: LogFields, wanted: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(wanted).every(([name, value]) =>
    value instanceof RegExp ? value.test(String(fields[name])) : fields[name] === value
  );
}

/** A viewer of a session that misbehaves goes on: pictures come, in order, on a timeline that nobody has spoilt. */
async function goesOn(viewer: WeriftViewer): Promise<void> {
  const from = viewer.packets.length;
  await viewer.receives(2);
  const timestamps = viewer.packets.map(({ timestamp }) => timestamp);
  for (const [at, timestamp] of timestamps.slice(1).entries()) {
    const step = timestamp - (timestamps[at] ?? 0);
    assert.ok(step >= 0 && step < 10 * RTP_HZ, `A step of ${step} after picture ${from + at}`);
  }
  assert.equal(viewer.find("error"), undefined);
}

Deno.test("a renderer that misbehaves: it is named in the log, its viewer keeps a picture, and another session its frame rate", async (t) => {
  await withNeighbour(async ({ server, log, good }) => {
    for (const manner of MANNERS) {
      const { misbehave, event, says: wanted = {}, message = false, orMessage = false } = manner;
      await t.step(misbehave, async () => {
        const session = `bad-${misbehave}`;
        const options = { params: { misbehave, after: 3 } };
        await using bad = await WeriftViewer.play(server.signallingUrl(session), options);
        if (message) bad.send({ type: "message", data: "hello" });
        await keepsItsRate(good);
        if (event !== undefined) {
          const told = () =>
            log.all(event).some((fields) => says(fields, { ...wanted, session })) ||
            (orMessage && bad.find("message") !== undefined);
          const what = () => `for ${event} in ${JSON.stringify(log.events.slice(-5))}`;
          await eventually(told, { what });
        } else {
          assert.deepEqual(log.events.filter(({ fields }) => isBad(session, fields)), []);
        }
        await goesOn(bad);
      });
    }
  });
});

Deno.test("a renderer that never comes back: its session is left behind, and another session keeps its frame rate", async () => {
  await withNeighbour(async ({ server, log, good }) => {
    const options = { params: { misbehave: "stuck", after: 3 } };
    const stuck = await WeriftViewer.play(server.signallingUrl("stuck"), options);
    const told = (event: string) => () => log.all(event).some(({ session }) => session === "stuck");
    await eventually(told("renderer_stalled"), { what: "for the log to name it" });
    await goesOn(stuck);
    await keepsItsRate(good);
    await stuck[Symbol.asyncDispose]();
    await eventually(told("renderer_stuck"), { what: "for it to be left behind" });
    await keepsItsRate(good);
    // The library can be unloaded only when nobody is in it any more.
    const release = { params: { misbehave: "release" } };
    await (await WeriftViewer.join(server.signallingUrl("key"), release))[Symbol.asyncDispose]();
  });
});

Deno.test("a renderer that ends or refuses a session: its viewer is told, and another session keeps its frame rate", async () => {
  await withNeighbour(async ({ server, log, good }) => {
    await using ended = await WeriftViewer.play(server.signallingUrl("ended"), {
      params: { misbehave: "end", after: 100 },
    });
    await ended.state("closed");
    assert.equal(ended.find("error"), undefined);
    await keepsItsRate(good);
    const refused = await WeriftViewer.join(server.signallingUrl("refused"), {
      params: { misbehave: "refuse_session" },
    });
    assert.equal(refused.find("error")?.code, "renderer_failed");
    const [failure] = log.all("renderer_open_failed");
    assert.equal(failure?.session, "refused");
    assert.match(String(failure?.error), /No model for this one/);
    await keepsItsRate(good);
    await refused.socketClosed();
    await refused.peer.close();
  });
});

Deno.test("a renderer that fails to close a session: it is named in the log, and the name can be used again", async () => {
  await withNeighbour(async ({ server, log, good }) => {
    for (const times of [1, 2]) {
      const options = { params: { misbehave: "close_error" } };
      await (await WeriftViewer.play(server.signallingUrl("odd"), options))[Symbol.asyncDispose]();
      const closed = () => log.all("renderer_close_failed").length === times;
      await eventually(closed, { what: "for the log to name it" });
    }
    await keepsItsRate(good);
  });
});

for (const misbehave of ["segfault", "exit"]) {
  Deno.test(`an isolated renderer (${misbehave}): the server lives on, other sessions come back, and the one at fault is given up`, async () => {
    const log = new LogRecord();
    const library = await compileTestRenderer("bad_citizen");
    await using server = await startTestServer(
      { renderer: { library, isolation: "process" } },
      { log: log.logger, bridgeHostCommand: HOST },
    );
    await using good = await WeriftViewer.play(server.signallingUrl("good"));
    await keepsItsRate(good);
    await using bad = await WeriftViewer.play(server.signallingUrl("bad"), {
      params: { misbehave, after: 3 },
    });
    const given = await bad.nextOf("error");
    assert.deepEqual([given.code, given.message], ["renderer_failed", "The renderer failed"]);
    assert.deepEqual(log.all("renderer_session_quarantined").map(({ session }) => session), [
      "bad",
    ]);
    await eventually(() => log.all("renderer_process_started").length >= 4, {
      what: "for the library's next process",
    });
    await comesBack(good);
    const again = await WeriftViewer.join(server.signallingUrl("bad"), { params: { misbehave } });
    assert.equal(again.find("error")?.code, "renderer_failed");
    assert.equal(log.all("renderer_process_started").length, 4);
    await again.socketClosed();
    await again.peer.close();
    await bad.socketClosed();
  });
}

Deno.test("a renderer that cannot be loaded: the server does not start, and says why", async () => {
  const cases = [
    [{ VERSION: "2" }, {}, "abi_version"],
    [{ WITHOUT_RENDER: "1" }, {}, "symbol_missing"],
    [{}, { fault: "open_error" }, "open_failed"],
  ] as const;
  for (const [defines, options, code] of cases) {
    const library = await compileTestRenderer("faulty", { defines });
    await assert.rejects(startTestServer({ renderer: { library, options } }), (error) => {
      assert.ok(error instanceof RendererError, String(error));
      assert.equal(error.code, code);
      return true;
    });
  }
});
