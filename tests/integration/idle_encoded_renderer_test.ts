import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { SYSTEM_CLOCK } from "../../src/base/clock.ts";
import { createFfmpegEncoders } from "../../src/media/ffmpeg_encoder.ts";
import type { FrameSource } from "../../src/media/frame.ts";
import { VideoLayers, VideoProgram } from "../../src/session/video_layers.ts";
import type { FrameInfo, VideoSink } from "../../src/transport/peer_transport.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";
import { eventually } from "../support/deadline.ts";
import { type DecodedPicture, decodeFrames } from "../support/media/decoder.ts";
import { depacketizeH264 } from "../support/media/depacketize.ts";
import { clipOf } from "../support/media/idle_clip.ts";
import { encodePng } from "../support/media/idle_media.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";
import { compileTestRenderer } from "../support/renderers/native.ts";
import { openSession, withLibrary } from "../support/renderers/renderers.ts";
import { startTestServer } from "../support/servers/test_server.ts";

const SIZE = { width: 160, height: 96 } as const;
const FPS = 30;
const PAUSES = 4;
/** No multiple of the 2 s in which the renderer makes a keyframe anyway. */
const IDLE_OPTIONS = { idle_after_ms: 700, idle_for_ms: 600 } as const;
/** Luma of the idle pictures; the renderer's are darker there. */
const WHITE = 235;

/** Start of each stretch of one kind of picture. */
function turnsOf(pictures: readonly DecodedPicture[]): number[] {
  const isOfRenderer = (index: number) => pictures[index]?.code !== undefined;
  return pictures.keys().filter((index) =>
    index === 0 || isOfRenderer(index) !== isOfRenderer(index - 1)
  ).toArray();
}

/** Fails if a picture is not what its sender encoded: it referred to another one than the viewer's last. */
function assertWhole(pictures: readonly DecodedPicture[]): void {
  const turns = turnsOf(pictures);
  assert.ok(turns.length >= 2 * PAUSES, `${turns.length} changes`);
  for (const index of turns) assert.ok(pictures[index]?.keyframe, `picture ${index} is none`);
  let expected: Uint8Array | undefined;
  for (const [index, { code, keyframe, lowestRow }] of pictures.entries()) {
    if (code === undefined) {
      const darkest = Math.min(...lowestRow);
      assert.ok(darkest > WHITE - 12, `idle picture ${index} has luma ${darkest}`);
    } else {
      // The renderer changes nothing there between its keyframes.
      if (keyframe) expected = lowestRow;
      assert.deepEqual(lowestRow, expected, `the renderer's picture ${index}`);
      assert.ok(Math.min(...lowestRow) < WHITE - 50);
    }
  }
  const numbers = pictures.flatMap(({ code }) => code?.frameNumber ?? []);
  assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
}

Deno.test("renderer that encodes: what a viewer is sent over many pauses can be decoded, with a shared idle loop", async () => {
  await using cleanUp = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
  for (let number = 0; number < 8; number++) {
    const png = encodePng(SIZE, (x, y) => y < 48 && x < 20 * number ? [0, 0, 0] : [255, 255, 255]);
    await Deno.writeFile(`${folder}/${number}.png`, png);
  }
  const server = cleanUp.use(
    await startTestServer({
      video: { ...SIZE, fps: FPS, bitrate_kbps: 2_000 },
      renderer: { library: await compileTestRenderer("encoded"), options: IDLE_OPTIONS },
      idle: { source: folder },
    }),
  );
  const options = { codecs: ["h264"] } as const;
  const viewer = cleanUp.use(await WeriftViewer.play(server.signallingUrl("main"), options));
  const pictures = () => decodeFrames("h264", viewer.frames.map(({ data }) => data));
  await eventually(async () => turnsOf(await pictures()).length > 2 * PAUSES, {
    what: `for ${PAUSES} pauses`,
  });
  assertWhole(await pictures());
});

/** Keeps what it is sent, as Annex B. */
class RecordingSink implements VideoSink {
  readonly units: Uint8Array[] = [];
  readonly targetKbps = 2_000;
  readonly limitKbps = Number.POSITIVE_INFINITY;
  readonly isFull = false;
  readonly isPaused = false;

  sendFrame(payloads: readonly Uint8Array[], _info: FrameInfo): boolean {
    const nals = depacketizeH264(payloads);
    this.units.push(Uint8Array.from(nals.flatMap((nal) => [0, 0, 0, 1, ...nal])));
    return true;
  }
}

/** White above and below, with a black line that moves. */
function idlePicture(elapsedUs: number) {
  const luma = new Uint8Array(SIZE.width * SIZE.height).fill(WHITE);
  const row = Math.floor(elapsedUs / 33_333) % 40;
  luma.fill(16, row * SIZE.width, (row + 4) * SIZE.width);
  const chroma = new Uint8Array(luma.length / 4).fill(128);
  const planes = [luma, chroma, chroma].map((data, index) => ({
    data,
    strideBytes: index === 0 ? SIZE.width : SIZE.width / 2,
  }));
  return { kind: "raw", format: "i420", ...SIZE, planes, timestampUs: 0 } as const;
}

Deno.test("renderer that encodes: what a viewer is sent over many pauses can be decoded, with idle pictures that the session encodes", async () => {
  await withLibrary(await compileTestRenderer("encoded"), async (factory) => {
    const source = await openSession(factory, { size: [SIZE.width, SIZE.height] });
    const startedMs = performance.now();
    const timelineUs = () => 1000 * (performance.now() - startedMs);
    const program = openProgram(source, timelineUs);
    const sink = new RecordingSink();
    program.layers("h264").add(sink);
    const cycleUs = 1000 * (IDLE_OPTIONS.idle_after_ms + IDLE_OPTIONS.idle_for_ms);
    while (timelineUs() < (PAUSES + 0.9) * cycleUs) {
      const result = await source.render(timelineUs());
      if (result.status === "frame") await program.show(result.frame);
      else await program.idle();
      await new Promise((resolve) => setTimeout(resolve, 1000 / FPS));
    }
    await program.close();
    assertWhole(await decodeFrames("h264", sink.units));
  }, { options: IDLE_OPTIONS });
});

function openProgram(source: FrameSource, timelineUs: () => number): VideoProgram {
  const program = new VideoProgram({
    clock: SYSTEM_CLOCK,
    timelineUs,
    openLayers: (codec) =>
      new VideoLayers({
        codec,
        encoders: createFfmpegEncoders("auto"),
        settings: { ...SIZE, fps: FPS, bitrateKbps: 2_000 },
        clock: SYSTEM_CLOCK,
        meter: new RecordingMeter(),
        log: NULL_LOGGER,
        onRate: () => {},
        onKeyframeDue: () => source.requestKeyframe?.(),
        onFailed: assert.fail,
      }),
  });
  program.useIdleClip(clipOf("moving", { still: false, frameAt: idlePicture }));
  return program;
}
