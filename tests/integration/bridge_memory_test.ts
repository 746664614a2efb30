import assert from "assert";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import type { FrameSource, FrameSourceFactory } from "../../src/media/frame.ts";
import { openBridge } from "../../src/renderer/bridge/bridge.ts";
import { RendererError } from "../../src/renderer/renderer_error.ts";
import { bridgeName, LogRecord, openSource } from "../support/renderers/bridge.ts";
import { PythonWriter } from "../support/renderers/bridge_python.ts";
import { eventually } from "../support/deadline.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

/** Bytes of a picture: a multiple of a page. */
const SIZE = { width: 256, height: 128 } as const;

/** As many slots fit as of 1280×720 in BGR into Docker's 64 MiB: 24. */
const FOLDER_KIB = 2340;

async function run(...args: readonly string[]): Promise<boolean> {
  const [program = "", ...rest] = args;
  const command = new Deno.Command(program, { args: rest, stdout: "null", stderr: "null" });
  return (await command.output()).success;
}

async function mount(folder: string): Promise<boolean> {
  return await run("mount", "-t", "tmpfs", "-o", `size=${FOLDER_KIB}k`, "tmpfs", folder);
}

/** Mounting needs root. */
async function canMount(): Promise<boolean> {
  const folder = await Deno.makeTempDir();
  const mounted = await mount(folder).catch(() => false);
  if (mounted) await run("umount", folder);
  await Deno.remove(folder);
  return mounted;
}

const ignore = !await canMount();

/** A bridge whose shared memory is as small as Docker's. */
interface SmallBridge {
  readonly factory: FrameSourceFactory;
  readonly log: LogRecord;
  readonly folder: string;
  /** Starts a program that shows pictures. */
  readonly start: () => PythonWriter;
}

async function withSmallBridge(use: (bridge: SmallBridge) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  assert.ok(await mount(folder));
  const name = bridgeName();
  const log = new LogRecord();
  const options = { name, folder, log: log.logger, meter: new RecordingMeter() };
  const factory = await openBridge({ ...options, clock: SYSTEM_CLOCK });
  try {
    await use({
      factory,
      log,
      folder,
      start: () => PythonWriter.start("pattern.py", name, "25", folder),
    });
  } finally {
    await factory.close();
    await run("umount", folder);
    await Deno.remove(folder);
  }
}

/** A session that is watched: it is asked for pictures as the server would, until it is closed. */
class Watched implements AsyncDisposable {
  pictures = 0;
  status = "";
  readonly #source: FrameSource;
  readonly #watching: Promise<void>;
  #closed = false;

  constructor(source: FrameSource) {
    this.#source = source;
    this.#watching = this.#watch();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#watching;
  }

  async #watch(): Promise<void> {
    while (!this.#closed && this.status !== "failed") {
      const { status } = await this.#source.render(performance.now() * 1000);
      this.status = status;
      if (status === "frame") this.pictures++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.#source.close();
  }
}

async function watch(
  factory: FrameSourceFactory,
  sessionId: string,
  params: Readonly<Record<string, unknown>> = {},
): Promise<Watched> {
  return new Watched(await openSource(factory, { sessionId, ...SIZE, params }));
}

/** Waits until each of the sessions has several new pictures. */
async function allGoOn(sessions: readonly Watched[]): Promise<void> {
  const before = sessions.map(({ pictures }) => pictures);
  const more = () => sessions.every(({ pictures }, at) => pictures >= (before[at] ?? 0) + 5);
  const counts = () => JSON.stringify(sessions.map(({ pictures, status }) => [pictures, status]));
  await eventually(more, { what: () => `for pictures of all sessions: ${counts()}` });
}

async function closeAll(sessions: readonly Watched[]): Promise<void> {
  await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()));
}

Deno.test({
  name: "Bridge: sessions that share little memory have fewer slots, and all have pictures",
  ignore,
  async fn() {
    await withSmallBridge(async ({ factory, log, folder, start }) => {
      await using _python = start();
      const sessions: Watched[] = [];
      for (let number = 1; number <= 12; number++) {
        sessions.push(await watch(factory, `s${number}`));
        await allGoOn(sessions);
      }
      assert.equal(log.all("bridge_writer_connected").length, 1);
      assert.deepEqual(log.all("bridge_writer_gone"), []);
      const [warning] = log.all("bridge_memory_short");
      assert.equal(warning?.folder, folder);
      assert.deepEqual([warning?.wanted_mib, warning?.free_mib], [2.3, 2.3]);
      assert.equal(warning?.slots, 24);
      assert.match(String(warning?.remedy), /docker run --shm-size=64m/);
      await assert.rejects(watch(factory, "s13"), (error) => {
        assert(error instanceof RendererError);
        assert.match(error.message, /needs 2\.4 MiB of shared memory, and .* has 2\.3 MiB/);
        assert.match(error.message, /docker run --shm-size=/);
        return true;
      });
      await allGoOn(sessions);
      // One that leaves makes room for the next.
      await closeAll(sessions.splice(3, 1));
      sessions.push(await watch(factory, "s13"));
      await allGoOn(sessions);
      assert.deepEqual(log.all("bridge_violated"), []);
      await closeAll(sessions);
    });
  },
});

Deno.test({
  name: "Bridge: of sessions that were there before their writer those without room fail",
  ignore,
  async fn() {
    await withSmallBridge(async ({ factory, log, start }) => {
      const sessions: Watched[] = [];
      for (let number = 1; number <= 14; number++) {
        sessions.push(await watch(factory, `s${number}`));
      }
      await using _python = start();
      const failed = () => sessions.slice(12).every(({ status }) => status === "failed");
      await eventually(failed, { what: "for the two newest sessions to fail" });
      await allGoOn(sessions.slice(0, 12));
      assert.equal(log.all("bridge_memory_short").length, 1);
      assert.equal(log.all("bridge_memory_short")[0]?.refused_sessions, 2);
      assert.equal(log.all("bridge_writer_connected").length, 1);
      await closeAll(sessions);
    });
  },
});

Deno.test({
  name:
    "Bridge: pictures that are too large for the memory are left out, and the other sessions go on",
  ignore,
  async fn() {
    await withSmallBridge(async ({ factory, log, start }) => {
      await using python = start();
      const small = [await watch(factory, "one"), await watch(factory, "two")];
      await allGoOn(small);
      const large = await watch(factory, "large", { scale: 4 });
      const warned = () => python.words.includes("no shared memory for pictures of 1572864 bytes");
      await eventually(warned, { what: () => `for Python's warning: ${python.words}` });
      await allGoOn(small);
      assert.equal(large.pictures, 0);
      assert.equal(log.all("bridge_memory_short").length, 1);
      assert.deepEqual(log.all("bridge_writer_gone"), []);
      await closeAll([...small, large]);
    });
  },
});

Deno.test({
  name: "Bridge: a writer whose first picture has no room is sent away with what would help",
  ignore,
  async fn() {
    await withSmallBridge(async ({ factory, log, start }) => {
      await using python = start();
      const session = await watch(factory, "huge", { scale: 6 });
      await eventually(() => python.words !== "", { what: "for Python's warning" });
      assert.match(
        python.words,
        /needs 13\.5 MiB of shared memory, and .* has 2\.3 MiB; .*--shm-size/,
      );
      assert.equal(log.all("bridge_writer_refused")[0]?.code, "no_ring");
      await closeAll([session]);
    });
  },
});
