import assert from "assert";
import { decodeFrames } from "../support/media/decoder.ts";
import { eventually } from "../support/deadline.ts";
import { drawMovingBar } from "../support/media/idle_media.ts";
import { timedTest } from "../support/machine/machine.ts";
import { compileReference } from "../support/renderers/native.ts";
import { startTestServer } from "../support/servers/test_server.ts";
import { type ReceivedFrame, WeriftViewer } from "../support/clients/werift_viewer.ts";

const FPS = 30;
const RTP_HZ = 90_000;

/** One switch each way in each of them. */
const SECONDS = 8;

/** Half a second of the renderer, half a second of moving idle pictures, over and over. */
const CYCLE = { idle_after_s: 0.5, idle_for_s: 0.5 };

/** Milliseconds between the pictures before and after each switch, by what it is to. */
async function switchGaps(
  frames: readonly ReceivedFrame[],
): Promise<Readonly<Record<"idle" | "renderer", number[]>>> {
  const pictures = await decodeFrames("h264", frames.map(({ data }) => data));
  const gaps = { idle: [] as number[], renderer: [] as number[] };
  for (const [at, { code }] of pictures.slice(1).entries()) {
    if ((code === undefined) === (pictures[at]?.code === undefined)) continue;
    const [before, after] = [frames[at]?.timestamp ?? 0, frames[at + 1]?.timestamp ?? 0];
    gaps[code === undefined ? "idle" : "renderer"].push((after - before) * 1000 / RTP_HZ);
  }
  return gaps;
}

/** tests/unit/session_test.ts has the same to the microsecond, on a clock that no load disturbs. */
timedTest(
  "idle pictures: going idle and back takes no more than two frames, loses no packet, and makes no keyframe",
  async (_, machine) => {
    const folder = await Deno.makeTempDir();
    await using cleanUp = new AsyncDisposableStack();
    cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
    await drawMovingBar(folder);
    await using server = await startTestServer({
      video: { width: 320, height: 180 },
      renderer: { library: await compileReference(), options: CYCLE },
      idle: { source: folder },
    });
    await using viewer = await WeriftViewer.play(server.signallingUrl("main"), {
      codecs: ["h264"],
    });
    const beganAt = viewer.packets[0]?.timestamp ?? 0;
    const lasted = () => ((viewer.packets.at(-1)?.timestamp ?? 0) - beganAt) / RTP_HZ;
    await eventually(() => lasted() > SECONDS, {
      what: () => `for ${SECONDS} s, it was ${lasted()}`,
    });
    const { frames, packets: [...packets] } = viewer;
    const askedFor = await server.metric("keyframes_requested_total");
    await server[Symbol.asyncDispose]();

    const gaps = Object.entries(await switchGaps(frames));
    await machine.judge(() => {
      for (const [to, gapsMs] of gaps) {
        assert.ok(gapsMs.length > SECONDS / 2, `${gapsMs.length} switches to ${to}`);
        // Some pictures are skipped here and there; a switch that had to wait for something would do so each time.
        const usual = [...gapsMs].sort((a, b) => a - b)[Math.floor(gapsMs.length / 4)] ?? Infinity;
        assert.ok(usual <= 2.1 * 1000 / FPS, `To ${to}: ${gapsMs.map(Math.round).join(", ")} ms`);
      }
    });
    const numbers = [...new Set(packets.map(({ sequenceNumber }) => sequenceNumber))];
    const steps = numbers.slice(1).map((number, at) => (number - (numbers[at] ?? 0)) & 0xffff);
    assert.deepEqual(steps, steps.map(() => 1));
    // The viewer asks when it joins, and may once more when it thinks that it has lost something.
    const keyframes = frames.filter(({ keyframe }) => keyframe).length;
    assert.ok(keyframes <= askedFor && keyframes < SECONDS / 2, `${keyframes} keyframes`);
  },
);
