import { encodePng } from "../support/media/idle_media.ts";
import { MovingScene } from "../support/media/moving_scene.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { type Figure, median, type Progress } from "./figure.ts";
import { cpuSeconds, residentMib } from "./process_usage.ts";
import { ReceiverCrowd } from "./receiver_crowd.ts";

const PORTS = 8;
const SIZE = { width: 512, height: 512 } as const;
const FPS = 25;
/** The scene goes to and fro in so many, so that the loop has no seam. */
const PICTURES = 128;
const STEPS = [16, 40] as const;
/** In which the loop is encoded, and encoders that no session needs are closed. */
const SETTLE_MS = 25_000;
const WINDOW_MS = 20_000;
/** Pictures a second of the session that gets fewest. */
const FPS_MIN = 24;
const CPU_AIM_PERCENT = 45;
const MEMORY_AIM_MIB = 4;

/**
 * What sessions cost that show a moving idle loop: 16 of them, and then 40, at 512×512 and 25 pictures a second on a bridge
 * that no renderer feeds, each with one viewer that decodes nothing.
 */
export async function measureIdleLoad(progress: Progress): Promise<Figure[]> {
  const folder = await Deno.makeTempDir();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
  progress("a loop is drawn");
  await drawLoop(folder);
  await using server = await ServerProcess.start({
    ports: PORTS,
    config: {
      "webrtc.peers_per_port": Math.max(...STEPS) / PORTS,
      "video.width": SIZE.width,
      "video.height": SIZE.height,
      "video.fps": FPS,
      "renderer.bridge": `bench-${crypto.randomUUID()}`,
      "idle.source": folder,
    },
  });
  const emptyMib = await memoryWithLoop(server);
  await using crowd = await ReceiverCrowd.open(server);
  const figures: Figure[] = [];
  for (const sessions of STEPS) {
    progress(`${sessions} sessions join`);
    await crowd.grow(sessions);
    await crowd.receive(SETTLE_MS);
    progress(`${sessions} sessions idle`);
    const [startedS, startedMs] = [await cpuSeconds(server.pid), performance.now()];
    const receptions = await crowd.receive(WINDOW_MS);
    const cpuS = await cpuSeconds(server.pid) - startedS;
    const cpuPercent = 100 * cpuS / ((performance.now() - startedMs) / 1000);
    const memoryMib = (await residentMib(server.pid) - emptyMib) / sessions;
    const slowest = Math.min(...receptions.map(({ pictures }) => pictures));
    const packets = median(receptions.map((each) => each.packets));
    progress(
      `${sessions} sessions: ${cpuPercent.toFixed(0)} % of one core, ${
        memoryMib.toFixed(1)
      } MiB each, ` +
        `${slowest.toFixed(1)} pictures and ${packets.toFixed(0)} packets a second`,
    );
    const isFirst = sessions === STEPS[0];
    figures.push(
      {
        name: `CPU of one core, moving idle sessions: ${sessions}`,
        value: cpuPercent,
        unit: "%",
        ...(isFirst ? { aim: CPU_AIM_PERCENT } : {}),
      },
      {
        name: `memory of each, moving idle sessions: ${sessions}`,
        value: memoryMib,
        unit: "MiB",
        ...(isFirst ? { aim: MEMORY_AIM_MIB } : {}),
      },
      {
        name: `pictures of the slowest, moving idle sessions: ${sessions}`,
        value: slowest,
        unit: "/s",
        aimAtLeast: FPS_MIN,
      },
      {
        name: `packets, moving idle sessions: ${sessions}, median`,
        value: packets,
        unit: "/s",
      },
    );
  }
  return figures;
}

/** Of the server once it holds the loop and has shown it to somebody, who has left. */
async function memoryWithLoop(server: ServerProcess): Promise<number> {
  {
    await using first = await ReceiverCrowd.open(server);
    await first.grow(1);
    await first.receive(SETTLE_MS);
  }
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  return await residentMib(server.pid);
}

/** Textured pictures with a little noise: they fill the bitrate, as those of a camera do. */
async function drawLoop(folder: string): Promise<void> {
  const scene = new MovingScene({ ...SIZE, fps: FPS });
  for (let number = 0; number < PICTURES; number++) {
    const [luma] = scene.next().planes;
    const png = encodePng(SIZE, (x, y) => {
      const level = luma?.data[y * SIZE.width + x] ?? 0;
      return [level, level, level];
    });
    await Deno.writeFile(`${folder}/${number}.png`, png);
  }
}
