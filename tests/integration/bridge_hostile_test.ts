import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { openBridge } from "../../src/renderer/bridge/bridge.ts";
import { RINGS } from "../../src/renderer/bridge/limits.ts";
import { formatWire } from "../../src/renderer/bridge/wire.ts";
import {
  formatWriterMessage,
  type WriterMessage,
} from "../../src/renderer/bridge/writer_messages.ts";
import {
  bridgeName,
  FOLDER,
  greyFrame,
  nextFrame,
  openSource,
  RawWriter,
  type TestBridge,
  untilIdle,
  withBridge,
} from "../support/renderers/bridge.ts";
import { eventually, within } from "../support/deadline.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { Random } from "../support/random.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";

const { burst: RINGS_MAX = 0 } = RINGS;
const HELLO = { type: "hello", version: 1, writer: "raw", clockUs: 0, pace: "writer" } as const;
const RING = { type: "ring", slotBytes: 8192, slotCount: 4 } as const;
const plane = (offset: number, strideBytes: number) => [{ offset, strideBytes }, ...NO_PLANES];
const NO_PLANES = [{ offset: 0, strideBytes: 0 }, { offset: 0, strideBytes: 0 }];

/** What a writer says next; the generation 1 of a picture stands for that of the writer's ring. */
type Says = readonly (WriterMessage | Uint8Array<ArrayBuffer>)[];

/** Says things at once as a writer that has a ring, and expects to be disconnected with these words. */
async function expectViolation(
  { name }: TestBridge,
  { says, words }: { says: Says; words: RegExp },
): Promise<void> {
  using writer = await RawWriter.greet(name);
  await writer.hear("welcome");
  await writer.say(RING);
  const { generation } = await writer.hear("ring");
  const bytes = says.map((message) => {
    if (message instanceof Uint8Array) return message;
    const isOurs = message.type === "frame" && message.generation === 1;
    return formatWriterMessage(isOurs ? { ...message, generation } : message);
  });
  await writer.sayBytes(new Uint8Array(await new Blob(bytes).arrayBuffer()));
  assert.match(await writer.lastWords(), new RegExp(`^violation: .*${words.source}`));
}

/** A writer that keeps to the contract is let in and shows a picture. */
async function expectGood({ name, factory }: TestBridge): Promise<void> {
  const source = await openSource(factory, { sessionId: crypto.randomUUID() });
  using writer = await RawWriter.greet(name);
  await writer.hear("welcome");
  await writer.say(RING);
  const { generation } = await writer.hear("ring");
  const open = () =>
    writer.messages.filter((message) => message.type === "open").map(({ session }) => session);
  await writer.say(greyFrame({ generation, session: Math.max(...open()) }));
  assert.equal((await nextFrame(source)).width, 64);
  await source.close();
}

Deno.test("Bridge: a writer that breaks the contract is disconnected with the reason, and the next one is let in", async () => {
  const cases: readonly [RegExp, ...Says][] = [
    [/it sent bytes that are not a message/, new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")],
    [/there is no message of type 77/, formatWire(77)],
    [/a message "idle" is too short/, formatWire(5)],
    [/it sent "hello" after its hello/, HELLO],
    [/it sent "ready", which the server did not request/, {
      type: "ready",
      session: 1,
      audio: true,
      takesMessages: true,
      givesMessages: true,
      encodes: true,
    }],
    [/session 99 does not exist/, { type: "idle", session: 99 }],
    [/session 0 does not exist/, greyFrame({ session: 0 })],
    [/slot 4 of 4/, greyFrame({ slot: 4 })],
    [/slot 4294967295 of 4/, greyFrame({ slot: 4_294_967_295 })],
    [/slot 1, which was not released/, greyFrame({ slot: 1 }), greyFrame({ slot: 1 })],
    [/is in ring 77777/, greyFrame({ generation: 77_777 })],
    [/format is 0, not 1 to 7/, greyFrame({ format: 0 })],
    [/an access unit, which only a library may send/, greyFrame({ format: 7, byteSize: 10 })],
    [/width is 63, which is not an even/, greyFrame({ width: 63 })],
    [/width is 0, which/, greyFrame({ width: 0 })],
    [/height is 4294967294, which/, greyFrame({ height: 4_294_967_294 })],
    [/height is 16386, which/, greyFrame({ height: 16_386 })],
    [/plane 0 has a stride of 191 bytes, but a row has 192/, greyFrame({ planes: plane(0, 191) })],
    [/plane 0 ends at byte 8193 of a slot of 8192/, greyFrame({ planes: plane(2049, 192) })],
    [/plane 0 ends at byte 13\d{10} of a slot/, greyFrame({ planes: plane(0, 4_294_967_295) })],
    [/plane 1 has a stride of 0/, greyFrame({ format: 2, planes: plane(0, 64) })],
    [/requested 0 slots/, { ...RING, slotCount: 0 }],
    [/requested 4 slots of 0 bytes/, { ...RING, slotBytes: 0 }],
    [/requested 1025 slots/, { ...RING, slotCount: 1025 }],
    [/of 134217729 bytes/, { ...RING, slotBytes: 128 * 1024 * 1024 + 1 }],
    [/ring of 1207959552 bytes/, { ...RING, slotBytes: 128 * 1024 * 1024, slotCount: 9 }],
    [/while one was being made/, RING, RING],
    [/900 samples a second/, {
      type: "audio",
      session: 1,
      sampleRate: 900,
      channels: 1,
      timestampUs: 0,
      samples: new Uint8Array(2),
    }],
  ];
  await withBridge(async (bridge) => {
    const source = await openSource(bridge.factory);
    for (const [words, ...says] of cases) {
      await expectViolation(bridge, { says, words });
    }
    assert.equal(bridge.meter.value("renderer_errors_total", { call: "bridge" }), cases.length);
    await expectGood(bridge);
    await source.close();
  });
});

Deno.test("Bridge: who does not begin with a hello is sent away", async () => {
  await withBridge(async (bridge) => {
    const { name, log } = bridge;
    using early = await RawWriter.connect(name);
    await early.say(greyFrame());
    assert.match(await early.lastWords(), /its first message is "frame", not "hello"/);
    using silent = await RawWriter.connect(name);
    assert.match(await silent.lastWords(), /violation: it sent no hello within 5 s/);
    assert.equal(log.all("bridge_violated")[0]?.bridge, name);
    assert.equal(log.all("bridge_violated")[0]?.pid, Deno.pid);
    await expectGood(bridge);
  });
});

Deno.test("Bridge: another version, another kind of writer and a second writer are refused in words", async () => {
  await withBridge(async (bridge) => {
    const { name, log } = bridge;
    using newer = await RawWriter.connect(name);
    await newer.say({ ...HELLO, version: 2 });
    const words =
      "version: This server speaks version 1 of the bridge, but the writer speaks version 2; " +
      "use the pinhole_bridge.py of this server";
    assert.equal(await newer.lastWords(), words);
    using library = await RawWriter.connect(name);
    await library.say({ ...HELLO, pace: "server" });
    assert.match(await library.lastWords(), /^not_expected: /);
    using first = await RawWriter.greet(name);
    await first.hear("welcome");
    using second = await RawWriter.greet(name);
    assert.match(await second.lastWords(), /^taken: Another writer feeds .*: raw, process \d+$/);
    assert.equal(log.all("bridge_writer_refused")[0]?.code, "version");
    await first.say({ type: "idle", session: 5 });
    assert.match(await first.lastWords(), /session 5 does not exist/);
    await expectGood(bridge);
  });
});

Deno.test("Bridge: messages about a session that has closed are not held against the writer", async () => {
  await withBridge(async ({ name, factory }) => {
    const source = await openSource(factory);
    using writer = await RawWriter.greet(name);
    await writer.hear("open");
    await writer.say(RING);
    const { generation } = await writer.hear("ring");
    await source.close();
    await writer.hear("close");
    for (let times = 0; times < 10; times++) await writer.say(greyFrame({ generation, slot: 2 }));
    // The slot comes back at once each time, or the second one would have been a violation.
    const back = () => writer.messages.filter(({ type }) => type === "release").length === 10;
    await eventually(back, { what: "for the slot to come back" });
    await writer.say({ type: "idle", session: 1 });
    const next = await openSource(factory, { sessionId: "two" });
    await writer.say(greyFrame({ generation, session: 2 }));
    await nextFrame(next);
    await next.close();
  });
});

Deno.test("Bridge: a flood of messages ends in a violation, and other work goes on meanwhile", async () => {
  await withBridge(async (bridge) => {
    const source = await openSource(bridge.factory);
    using writer = await RawWriter.greet(bridge.name);
    await writer.hear("open");
    const idle = formatWriterMessage({ type: "idle", session: 1 });
    const many = new Uint8Array(idle.length * 5000);
    for (let at = 0; at < many.length; at += idle.length) many.set(idle, at);
    for (let times = 0; times < 6; times++) await writer.sayBytes(many);
    assert.match(await writer.lastWords(), /it sends more than 20000 messages a second/);
    await untilIdle(source);
    await expectGood(bridge);
    await source.close();
  });
});

Deno.test("Bridge: a writer that asks for rings all the time is sent away, and so is it when it comes again", async () => {
  const clock = new FakeClock();
  const name = bridgeName();
  const options = { name, log: NULL_LOGGER, meter: new RecordingMeter(), clock };
  const factory = await openBridge(options);
  const rings = async () => {
    using writer = await RawWriter.greet(name);
    for (let count = 1; count <= RINGS_MAX + 1; count++) {
      await writer.say({ type: "ring", slotBytes: 1, slotCount: 1 });
      const made = () => writer.messages.filter(({ type }) => type === "ring").length === count;
      const isOver = () => writer.messages.at(-1)?.type === "bye";
      while (!made() && !isOver()) await new Promise((resolve) => setTimeout(resolve));
      if (isOver()) break;
    }
    assert.match(
      await writer.lastWords(),
      /^violation: it requests rings too fast: more than 1000/,
    );
    return writer.messages.filter(({ type }) => type === "ring").length;
  };
  const count = await within(rings(), { what: "for the end" });
  assert.ok(count > RINGS_MAX / 2 && count <= RINGS_MAX, String(count));
  await clock.advance(10);
  assert.ok(await within(rings(), { what: "for the end" }) <= 2);
  await factory.close();
});

Deno.test("Bridge: a writer that does not read loses messages of viewers, and others do not wait for it", async () => {
  await withBridge(async ({ name, factory }) => {
    const source = await openSource(factory);
    // A connection that nobody reads from.
    using connection = await Deno.connect({
      transport: "unix",
      path: `${FOLDER}/pinhole-${name}.sock`,
    });
    await connection.write(formatWriterMessage(HELLO));
    await eventually(() => source.message?.(new Uint8Array(60_000)) === "not_read", {
      what: "for a message to be dropped",
    });
    await source.close();
  });
});

Deno.test("Bridge: a ring whose file is made shorter is not read any more", async () => {
  await withBridge(async (bridge) => {
    const source = await openSource(bridge.factory);
    using writer = await RawWriter.greet(bridge.name);
    await writer.hear("open");
    await writer.say(RING);
    const { generation } = await writer.hear("ring");
    await Deno.truncate(`${FOLDER}/pinhole-${bridge.name}`, 100);
    await writer.say(greyFrame({ generation }));
    const isOver = () => writer.messages.some(({ type }) => type === "bye");
    await eventually(async () => {
      await source.render(0);
      return isOver();
    }, { what: "for the end" });
    assert.match(await writer.lastWords(), /the file of the ring was truncated/);
    await untilIdle(source);
    await expectGood(bridge);
    await source.close();
  });
});

Deno.test("Bridge: a ring whose file is made shorter does not end who is reading a picture of it", async () => {
  await withBridge(async (bridge) => {
    const source = await openSource(bridge.factory);
    using writer = await RawWriter.greet(bridge.name);
    await writer.hear("open");
    await writer.say(RING);
    const { generation } = await writer.hear("ring");
    const path = `${FOLDER}/pinhole-${bridge.name}`;
    const before = await Deno.readFile(path);
    await Deno.writeFile(path, before.fill(90, 4096));
    await writer.say(greyFrame({ generation }));
    const { planes } = await nextFrame(source);
    await Deno.truncate(path, 0);
    for (const { data } of planes) assert.ok(data.every((sample) => sample === 90));
    await source.close();
  });
});

Deno.test("Bridge: what a writer writes over the header and into slots of the server changes no layout", async () => {
  await withBridge(async (bridge) => {
    const source = await openSource(bridge.factory);
    using writer = await RawWriter.greet(bridge.name);
    await writer.hear("open");
    await writer.say(RING);
    const { generation } = await writer.hear("ring");
    using file = await Deno.open(`${FOLDER}/pinhole-${bridge.name}`, { write: true });
    const noise = new Uint8Array(4096 + 4 * 8192).fill(0xff);
    for (let slot = 0; slot < 3; slot++) {
      await file.seek(0, Deno.SeekMode.Start);
      await file.write(noise);
      await writer.say(greyFrame({ generation, slot }));
      await file.seek(0, Deno.SeekMode.Start);
      await file.write(noise.fill(slot));
      const { width, height, planes } = await nextFrame(source);
      assert.deepEqual([width, height, planes[0]?.data.length], [64, 32, 6144]);
    }
    assert.deepEqual(bridge.log.all("bridge_violated"), []);
    await source.close();
  });
});

Deno.test("Bridge: half a message holds up nothing, and is no message when the writer leaves", async () => {
  await withBridge(async (bridge) => {
    const source = await openSource(bridge.factory);
    {
      using writer = await RawWriter.greet(bridge.name);
      await writer.hear("open");
      await writer.sayBytes(formatWriterMessage({ type: "end", session: 1 }).subarray(0, 10));
      await untilIdle(source);
    }
    await expectGood(bridge);
    await untilIdle(source);
    await source.close();
  });
});

Deno.test("Bridge: random messages never do more than end the connection", async () => {
  const random = new Random(7);
  await withBridge(async (bridge) => {
    const source = await openSource(bridge.factory);
    const render = async () => {
      await source.render(0).catch(() => {});
      await source.audio?.(0);
      await source.pollMessage?.();
    };
    for (let round = 0; round < 30; round++) {
      using writer = await RawWriter.greet(bridge.name);
      if (random.oneIn(2)) await writer.say(RING);
      for (let count = 0; count < 20; count++) {
        const payload = new Uint8Array(random.pick([4, 8, 28, 64, random.below(200)]));
        for (let at = 0; at < payload.length; at += 4) payload[at] = random.below(8);
        await writer.sayBytes(formatWire(random.between(1, 12), payload));
        await render();
      }
    }
    // The last of them may still be on its way out.
    await untilIdle(source);
    await expectGood(bridge);
    await source.close();
  }, { name: bridgeName() });
});
