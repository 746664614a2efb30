import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";
import { decodeFrames } from "../support/media/decoder.ts";
import { RecordingLog } from "../support/media/idle_library.ts";
import { encodePng } from "../support/media/idle_media.ts";
import { MovingScene } from "../support/media/moving_scene.ts";
import { timedTest } from "../support/machine/machine.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";

const SIZE = { width: 320, height: 180 } as const;
const FPS = 25;
const PICTURES = 75;
const BITRATE_KBPS = 1_200;
/** What one viewer limits itself to, in bit/s. */
const LIMIT_BPS = 300_000;
const RTP_HZ = 90_000;

/** A server whose sessions show nothing but a loop that takes the whole rate. */
async function startServer(cleanUp: AsyncDisposableStack, log: RecordingLog): Promise<TestServer> {
  const folder = await Deno.makeTempDir();
  cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
  const scene = new MovingScene({ ...SIZE, fps: FPS });
  for (let number = 0; number < PICTURES; number++) {
    const [luma] = scene.next().planes;
    const png = encodePng(SIZE, (x, y) => {
      const level = luma?.data[y * SIZE.width + x] ?? 0;
      return [level, level, level];
    });
    await Deno.writeFile(`${folder}/${number}.png`, png);
  }
  const config = {
    webrtc: { peers_per_port: 2 },
    video: { ...SIZE, fps: FPS, bitrate_kbps: BITRATE_KBPS },
    renderer: { bridge: `idle-loop-${crypto.randomUUID()}` },
    idle: { source: folder },
  };
  return cleanUp.use(await startTestServer(config, { log }));
}

/** Rates of the loops that were encoded, in kbit/s. */
function ratesOf(log: RecordingLog): number[] {
  return log.all("idle_loop_ready").map(({ kbps }) => Number(kbps));
}

/** How far each picture of the loop is behind the one before. */
function stepsOf(pictures: Awaited<ReturnType<typeof decodeFrames>>): number[] {
  const numbers = pictures.map(({ code }) => code?.frameNumber ?? Number.NaN);
  return numbers.slice(1).map((number, at) => (number - (numbers[at] ?? 0) + PICTURES) % PICTURES);
}

function limited(sdp: string): string {
  return sdp.replace(/^(m=video .*\r\nc=.*\r\n)/m, `$1b=TIAS:${LIMIT_BPS}\r\n`);
}

timedTest(
  "idle loop: a viewer that joins others in the middle of it has a picture soon, and sees what they see",
  async (_, machine) => {
    await using cleanUp = new AsyncDisposableStack();
    const log = new RecordingLog();
    const server = await startServer(cleanUp, log);
    const url = server.signallingUrl("main");
    const first = cleanUp.use(await WeriftViewer.play(url, { codecs: ["h264"] }));
    await eventually(() => log.all("encoder_rests").length > 0, { what: "for the loop to be on" });
    const late = cleanUp.use(await WeriftViewer.play(url, { codecs: ["h264"] }));
    await eventually(() => late.frames.length > 3 * FPS, { what: "for three seconds" });
    const [seen, lately] = [first.frames, late.frames];
    assert.ok(lately[0]?.keyframe);
    const pictures = await decodeFrames("h264", lately.map(({ data }) => data));
    const steps = stepsOf(pictures);
    const keyframes = lately.filter(({ keyframe }) => keyframe).length;
    const seconds = ((lately.at(-1)?.timestamp ?? 0) - (lately[0]?.timestamp ?? 0)) / RTP_HZ;
    const bytes = new Set(seen.map(({ data }) => data.length));
    await machine.judge(() => {
      assert.deepEqual(steps, steps.map(() => 1));
      assert.ok(keyframes >= Math.floor(seconds), `${keyframes} in ${seconds} s`);
      assert.equal(log.all("encoder_opened").length, 1, "none for the viewer that came late");
      assert.ok(lately.every(({ data }) => bytes.has(data.length)), "the same access units");
    });
  },
);

timedTest("idle loop: a viewer that takes less has a loop of a lower rate", async (_, machine) => {
  await using cleanUp = new AsyncDisposableStack();
  const log = new RecordingLog();
  const server = await startServer(cleanUp, log);
  cleanUp.use(await WeriftViewer.play(server.signallingUrl("fast")));
  const slow = cleanUp.use(
    await WeriftViewer.play(server.signallingUrl("slow"), { offer: limited }),
  );
  await eventually(() => log.all("encoder_rests").length === 2, {
    what: () => `for both loops, ${ratesOf(log)}`,
  });
  const rates = ratesOf(log);
  assert.ok(rates.some((kbps) => kbps <= LIMIT_BPS / 1000), `${rates}`);
  assert.equal(new Set(rates).size, rates.length);
  slow.packets.length = 0;
  await eventually(() => slow.frames.length > 4 * FPS, { what: "for four seconds" });
  // By the number of pictures, not by the time: a path that is full has some left out.
  const bytes = slow.frames.reduce((sum, { data }) => sum + data.length, 0) / slow.frames.length;
  const kbps = bytes * FPS * 8 / 1000;
  assert.ok(kbps < 1.15 * LIMIT_BPS / 1000, `${kbps} kbit/s`);
  const fromKeyframe = slow.frames.findIndex(({ keyframe }) => keyframe);
  const pictures = await decodeFrames(
    "h264",
    slow.frames.slice(fromKeyframe).map(({ data }) => data),
  );
  const steps = stepsOf(pictures);
  await machine.judge(() => assert.deepEqual(steps, steps.map(() => 1)));
});
