import assert from "assert";
import { fileURLToPath } from "node:url";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import type { FrameSourceFactory } from "../../src/media/frame.ts";
import { openBridge } from "../../src/renderer/bridge/bridge.ts";
import { BridgeError, type BridgeErrorCode } from "../../src/renderer/bridge/bridge_error.ts";
import {
  bridgeName,
  filesOf,
  FOLDER,
  openSource,
  RawWriter,
  untilIdle,
  withBridge,
} from "../support/renderers/bridge.ts";
import { eventually, within } from "../support/deadline.ts";

const SERVER = fileURLToPath(new URL("../testdata/bridge/server.ts", import.meta.url));

function open(name: string, folder = FOLDER): Promise<FrameSourceFactory> {
  return openBridge({
    name,
    folder,
    log: NULL_LOGGER,
    meter: NULL_METER,
    clock: SYSTEM_CLOCK,
  });
}

async function failsWith(
  code: BridgeErrorCode,
  { words, action }: { words: RegExp; action: () => Promise<unknown> },
): Promise<void> {
  await assert.rejects(action, (error) => {
    assert(error instanceof BridgeError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  });
}

function modeOf(path: string): number {
  return (Deno.statSync(path).mode ?? 0) & 0o777;
}

/** Starts a server's process that opens a bridge, and kills it. */
async function leaveBehind(name: string): Promise<void> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-ffi", SERVER, name],
    stdout: "piped",
  }).spawn();
  const reader = server.stdout.getReader();
  const { value } = await within(reader.read(), { what: "for the server to open its bridge" });
  assert.equal(new TextDecoder().decode(value), "open\n");
  server.kill("SIGKILL");
  await server.status;
  await reader.cancel();
}

Deno.test("openBridge: ring and socket are for their owner alone, whatever the umask, and gone at the end", async () => {
  const mask = Deno.umask(0);
  try {
    await withBridge(async ({ name }) => {
      assert.deepEqual(await filesOf(name), [`pinhole-${name}`, `pinhole-${name}.sock`]);
      assert.equal(modeOf(`${FOLDER}/pinhole-${name}`), 0o600);
      assert.equal(modeOf(`${FOLDER}/pinhole-${name}.sock`), 0o600);
      using writer = await RawWriter.greet(name);
      await writer.hear("welcome");
      await writer.say({ type: "ring", slotBytes: 10_000, slotCount: 3 });
      const ring = await writer.hear("ring");
      const layout = {
        type: "ring",
        generation: 1,
        slotBytes: 12_288,
        slotCount: 3,
        slotsOffset: 4096,
      };
      assert.deepEqual(ring, layout);
      assert.deepEqual(await filesOf(name), [`pinhole-${name}`, `pinhole-${name}.sock`]);
      assert.equal(modeOf(`${FOLDER}/pinhole-${name}`), 0o600);
    });
  } finally {
    Deno.umask(mask);
  }
});

Deno.test("openBridge: the header of the ring says what lies where", async () => {
  await withBridge(async ({ name }) => {
    using writer = await RawWriter.greet(name);
    await writer.say({ type: "ring", slotBytes: 4096, slotCount: 2 });
    await writer.hear("ring");
    const file = await Deno.readFile(`${FOLDER}/pinhole-${name}`);
    assert.equal(file.byteLength, 3 * 4096);
    assert.equal(new TextDecoder().decode(file.subarray(0, 8)), "PINHOLE\0");
    assert.deepEqual([...new Uint32Array(file.buffer, 8, 6)], [1, 4096, 1, 2, 4096, 0]);
  });
});

Deno.test("openBridge: a name that a living server has is refused", async () => {
  await withBridge(async ({ name, factory }) => {
    const words = new RegExp(`Another server uses the bridge "${name}"`);
    await failsWith("bridge_taken", { words, action: () => open(name) });
    using writer = await RawWriter.greet(name);
    await writer.say({ type: "ring", slotBytes: 4096, slotCount: 2 });
    await writer.hear("ring");
    // The ring has replaced the file that was there, and the name is taken all the same.
    await failsWith("bridge_taken", { words, action: () => open(name) });
    const source = await openSource(factory);
    await untilIdle(source);
    await source.close();
  });
});

Deno.test("openBridge: what a dead server left behind is replaced", async () => {
  const name = bridgeName();
  await leaveBehind(name);
  assert.deepEqual(await filesOf(name), [`pinhole-${name}`, `pinhole-${name}.sock`]);
  await withBridge(async () => {
    using writer = await RawWriter.greet(name);
    await writer.hear("welcome");
  }, { name });
});

Deno.test("openBridge: of servers that start at the same moment one gets the name", async () => {
  const name = bridgeName();
  await leaveBehind(name);
  for (let times = 0; times < 5; times++) {
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => open(name)));
    const opened = outcomes.filter((outcome) => outcome.status === "fulfilled");
    assert.equal(opened.length, 1);
    using writer = await RawWriter.greet(name);
    await writer.hear("welcome");
    await opened[0]?.value.close();
    assert.deepEqual(await filesOf(name), []);
  }
});

Deno.test("openBridge: a folder that is not there is named", async () => {
  const words = /"\/nowhere\/pinhole-x": No such file or directory/;
  await failsWith("bridge_files", { words, action: () => open("x", "/nowhere") });
  await assert.rejects(open("../x"), TypeError);
});

Deno.test("openBridge: sessions, writers and rings leave no descriptor and no mapping behind", async () => {
  let files = "";
  await withBridge(async ({ name, factory }) => {
    const round = async (index: number) => {
      const sources = await Promise.all(
        Array.from({ length: 5 }, (_, at) => openSource(factory, { sessionId: `${index}-${at}` })),
      );
      using writer = await RawWriter.greet(name);
      for (let times = 1; times <= 3; times++) {
        await writer.hear("welcome");
        writer.messages.length = 0;
        await writer.say({ type: "ring", slotBytes: 4096 * times, slotCount: 10 });
        const { generation } = await writer.hear("ring");
        writer.messages.push({ type: "welcome", version: 1, sound_ms: 0 });
        const planes = [{ offset: 0, strideBytes: 96 }, ...EMPTY, ...EMPTY];
        for (const [at, source] of sources.entries()) {
          const session = 5 * index + at + 1;
          await writer.say({ ...FRAME, session, generation, slot: at, planes });
          await untilFrame(source);
        }
      }
      await Promise.all(sources.map((source) => source.close()));
    };
    for (let index = 0; index < 30; index++) await round(index);
    // The last writer may be about to leave.
    const unused = () => leftOf(name).mappings === 0 && leftOf(name).sockets === 0;
    await eventually(unused, { what: () => `for the end of ${JSON.stringify(leftOf(name))}` });
    // The bridge's own, which is its lock.
    assert.equal(leftOf(name).descriptors, 1);
    files = name;
  });
  assert.deepEqual(leftOf(files), { descriptors: 0, mappings: 0, sockets: 0 });
});

/** What this process has open of a bridge. Other tests may run in it too. */
function leftOf(name: string): { descriptors: number; mappings: number; sockets: number } {
  const descriptors = [...Deno.readDirSync("/proc/self/fd")].filter((entry) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${entry.name}`).includes(name);
    } catch {
      return false;
    }
  });
  const mappings = Deno.readTextFileSync("/proc/self/maps").split("\n");
  const sockets = Deno.readTextFileSync("/proc/net/unix").split("\n")
    // Connected (03), and named after the socket that took them.
    .filter((line) => line.includes(name) && / 03 +\d+ /.test(line));
  return {
    descriptors: descriptors.length,
    mappings: mappings.filter((line) => line.includes(name)).length,
    sockets: sockets.length,
  };
}

const EMPTY = [{ offset: 0, strideBytes: 0 }];

const FRAME = {
  type: "frame",
  format: 6,
  width: 32,
  height: 32,
  timestampUs: 0,
  keyframe: false,
  byteSize: 0,
} as const;

async function untilFrame(source: Awaited<ReturnType<typeof openSource>>): Promise<void> {
  while ((await source.render(0)).status !== "frame") {
    // The message is on its way.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
