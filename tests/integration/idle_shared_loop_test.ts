import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { VIDEO_CODECS, type VideoCodec } from "../../src/media/encoder.ts";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import type { IdleClip } from "../../src/media/idle/clip.ts";
import type { EncodedLoop } from "../../src/media/idle/encoded_loop.ts";
import { EncodedLoops } from "../../src/media/idle/encoded_loops.ts";
import { eventually } from "../support/deadline.ts";
import { decodeFrames } from "../support/media/decoder.ts";
import { clipOf } from "../support/media/idle_clip.ts";
import { RecordingLog } from "../support/media/idle_library.ts";
import { drawMovingBar, type Size } from "../support/media/idle_media.ts";
import { timedTest } from "../support/machine/machine.ts";
import { MovingScene } from "../support/media/moving_scene.ts";
import { compileReference } from "../support/renderers/native.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { type ReceivedFrame, WeriftViewer } from "../support/clients/werift_viewer.ts";

const FPS = 25;
const PICTURES = 80;
const SIZE = { width: 320, height: 180 } as const;
const RTP_HZ = 90_000;

/** Pictures that say which they are. */
function numberedClip(size: Size = SIZE): IdleClip {
  const scene = new MovingScene({ ...size, fps: FPS });
  const pictures = Array.from({ length: PICTURES }, () => scene.next());
  const frameAt = (elapsedUs: number) => {
    const picture = pictures[Math.round(elapsedUs * FPS / 1e6) % PICTURES];
    if (picture === undefined) throw new Error("There is no such picture");
    return picture;
  };
  return clipOf("numbered", { still: false, durationUs: PICTURES * 1e6 / FPS, frameAt });
}

async function encode(
  clip: IdleClip,
  { codec, bitrateKbps, size = SIZE }: { codec: VideoCodec; bitrateKbps: number; size?: Size },
): Promise<EncodedLoop> {
  const loops = new EncodedLoops({
    encoders: createFfmpegEncoders("auto"),
    clock: SYSTEM_CLOCK,
    meter: new RecordingMeter(),
    log: NULL_LOGGER,
  });
  const rates = loops.of(clip, { codec, settings: { ...size, fps: FPS, bitrateKbps } });
  await eventually(() => rates.best(bitrateKbps) !== undefined, { what: "for the loop" });
  await loops.close();
  const loop = rates.best(bitrateKbps)?.loop;
  if (loop === undefined) throw new Error("There is no loop");
  return loop;
}

/** Units of a loop, by their numbers. */
function unitsOf(loop: EncodedLoop, { from, count }: { from: number; count: number }) {
  return Array.from({ length: count }, (_, index) => loop.unit(from + index));
}

for (const codec of VIDEO_CODECS) {
  Deno.test(`idle loop, ${codec}: each picture is decoded at its place, round after round, across the seam`, async () => {
    const loop = await encode(numberedClip(), { codec, bitrateKbps: 2_000 });
    assert.deepEqual([loop.length, loop.durationUs], [PICTURES, PICTURES * 1e6 / FPS]);
    const units = unitsOf(loop, { from: 0, count: 3 * PICTURES });
    const pictures = await decodeFrames(codec, units.map(({ data }) => data));
    assert.deepEqual(
      pictures.map(({ code }) => code?.frameNumber),
      units.map((_, index) => index % PICTURES),
    );
    assert.deepEqual(
      units.slice(0, PICTURES).map(({ startUs }) => Math.round(startUs)),
      Array.from({ length: PICTURES }, (_, index) => index * 40_000),
    );
    assert.deepEqual(
      pictures.map(({ keyframe }) => keyframe),
      units.map((_, index) => index % (PICTURES / 4) === 0),
    );
  });

  Deno.test(`idle loop, ${codec}: may be entered at each of its keyframes`, async () => {
    const loop = await encode(numberedClip(), { codec, bitrateKbps: 2_000 });
    for (let from = 0; from < PICTURES; from += PICTURES / 4) {
      const units = unitsOf(loop, { from, count: PICTURES });
      const pictures = await decodeFrames(codec, units.map(({ data }) => data));
      assert.deepEqual(
        pictures.map(({ code }) => code?.frameNumber),
        units.map((_, index) => (from + index) % PICTURES),
      );
    }
  });

  Deno.test(`idle loop, ${codec}: takes about the rate that it is made for, on a smaller picture from its start where bits are few`, async () => {
    const size = { width: 640, height: 360 };
    const clip = numberedClip(size);
    const full = await encode(clip, { codec, size, bitrateKbps: 2_000 });
    assert.ok(full.neededKbps < 1.5 * 2_000, `${full.neededKbps} kbit/s`);
    const low = await encode(clip, { codec, size, bitrateKbps: 100 });
    assert.ok(low.neededKbps < full.neededKbps / 4, `${low.neededKbps} of ${full.neededKbps}`);
    const units = unitsOf(low, { from: 0, count: 2 * low.length });
    const pictures = await decodeFrames(codec, units.map(({ data }) => data));
    const widths = [...new Set(pictures.map(({ width }) => width))];
    assert.ok(widths.length === 1 && (widths[0] ?? size.width) < size.width, `${widths}`);
  });
}

/** Sessions that show half a second of the renderer, four seconds of moving idle pictures, over and over. */
async function startIdler(
  cleanUp: AsyncDisposableStack,
  log: RecordingLog,
): Promise<TestServer> {
  const folder = await Deno.makeTempDir();
  cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
  await drawMovingBar(folder);
  return cleanUp.use(
    await startTestServer({
      video: SIZE,
      renderer: {
        library: await compileReference(),
        options: { idle_after_s: 0.5, idle_for_s: 4 },
      },
      idle: { source: folder },
    }, { log }),
  );
}

function secondsOf(frames: readonly ReceivedFrame[]): number {
  return ((frames.at(-1)?.timestamp ?? 0) - (frames[0]?.timestamp ?? 0)) / RTP_HZ;
}

for (const codec of VIDEO_CODECS) {
  timedTest(
    `idle loop, ${codec}: sessions that idle share one encoding, and what they are sent is whole and steady`,
    async (_, machine) => {
      await using cleanUp = new AsyncDisposableStack();
      const log = new RecordingLog();
      const server = await startIdler(cleanUp, log);
      const viewers: WeriftViewer[] = [];
      for (const session of ["one", "two"]) {
        const url = server.signallingUrl(session);
        viewers.push(cleanUp.use(await WeriftViewer.play(url, { codecs: [codec] })));
      }
      await eventually(() => viewers.every(({ frames }) => secondsOf(frames) > 10), {
        what: () => `for 10 s, there are ${viewers.map(({ frames }) => secondsOf(frames))}`,
      });
      // A path that seemed slow for a moment may have asked for another rate, which is encoded once too.
      const made = log.all("idle_loop_ready").map(({ kbps }) => kbps);
      assert.ok(made.length > 0);
      assert.equal(new Set(made).size, made.length);
      assert.equal(await server.metric("idle_loops_encoded_total", { codec }), made.length);
      assert.ok(await server.metric("idle_loops") >= made.length);
      assert.ok(await server.metric("idle_loop_bytes") > 1_000);
      const received = viewers.map(({ frames }) => frames);
      const packets = viewers.map((viewer) => [...viewer.packets]);
      for (const each of packets) {
        const numbers = [...new Set(each.map(({ sequenceNumber }) => sequenceNumber))];
        const steps = numbers.slice(1).map((number, at) => (number - (numbers[at] ?? 0)) & 0xffff);
        assert.deepEqual(steps, steps.map(() => 1));
      }
      for (const frames of received) {
        const pictures = await decodeFrames(codec, frames.map(({ data }) => data));
        // Those of the renderer count up, so that each is what it should be.
        const numbers = pictures.flatMap(({ code }) => code?.frameNumber ?? []);
        assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
        assert.ok(numbers.length > 20, `${numbers.length} pictures of the renderer`);
        // One each second of the loop, and one on the way back: only the first is of the session's own.
        const keyframes = pictures.flatMap(({ keyframe }, at) => keyframe ? [at] : []);
        assert.ok(keyframes.length >= 5, `keyframes at ${keyframes} of ${pictures.length}`);
        const gaps = frames.slice(1).map(({ timestamp }, at) =>
          (timestamp - (frames[at]?.timestamp ?? 0)) * 1000 / RTP_HZ
        );
        assert.ok(gaps.every((gapMs) => gapMs > 0));
        await machine.judge(() => {
          const late = gaps.filter((gapMs) => gapMs > 2.1 * 1000 / 30);
          assert.ok(late.length < gaps.length / 50, `${late.map(Math.round).join(", ")} ms`);
        });
      }
    },
  );
}
