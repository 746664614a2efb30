import assert from "assert";
import { fileURLToPath } from "node:url";
import { IdleFiles, lumaAt, RecordingLog } from "../support/media/idle_library.ts";
import { type GreyPicture, writeVideo } from "../support/media/idle_media.ts";
import type { IdleClip } from "../../src/media/idle/clip.ts";

const SIZE = { width: 64, height: 64 };
const LEVELS = 20;

/** Pictures that tell their numbers by their luma. */
function numbered(count: number): GreyPicture[] {
  return Array.from({ length: count }, (_, index) => {
    const level = 30 + 10 * (index % LEVELS);
    return { left: level, right: level };
  });
}

function numberAt(clip: IdleClip, elapsedUs: number): number {
  return Math.round((lumaAt(clip.frameAt(elapsedUs), 32, 32) - 30) / 10);
}

for (
  const { name, codec } of [
    { name: "a.mp4", codec: "libx264" },
    { name: "a.webm", codec: "libvpx-vp9" },
    { name: "a.mkv", codec: "libvpx" },
  ]
) {
  Deno.test(`idle video: ${name} plays at its own speed in a session of another rate, round after round`, async () => {
    await using files = new IdleFiles();
    const startsMs = numbered(LEVELS).map((_, index) => index * 40);
    await writeVideo(files.path(name), {
      size: SIZE,
      pictures: numbered(LEVELS),
      startsMs,
      endMs: 800,
      codec,
    });
    const clip = await files.library({ source: files.path(name) })
      .clip(undefined, { ...SIZE, fps: 30 });
    assert.ok(!clip.pictures.still);
    // Three rounds; the middle of each session frame decides.
    for (let frame = 0; frame < 72; frame++) {
      const elapsedUs = frame * 1e6 / 30;
      const expected = Math.floor((elapsedUs + 1e6 / 60) / 40_000) % LEVELS;
      assert.equal(numberAt(clip, elapsedUs), expected, `frame ${frame}`);
    }
  });
}

Deno.test("idle video: in a session of its rate, each picture is on once, and the last leads to the first", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  await writeVideo(path, {
    size: SIZE,
    pictures: numbered(LEVELS),
    startsMs: numbered(LEVELS).map((_, index) => index * 40),
    endMs: 800,
  });
  const clip = await files.library({ source: path }).clip(undefined, { ...SIZE, fps: 25 });
  const shown = Array.from({ length: 50 }, (_, frame) => numberAt(clip, frame * 40_000));
  assert.deepEqual(shown, Array.from({ length: 50 }, (_, frame) => frame % LEVELS));
});

Deno.test("idle video: its own uneven times count, and its last picture has its length", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  await writeVideo(path, {
    size: SIZE,
    pictures: numbered(4),
    startsMs: [0, 100, 600, 700],
    endMs: 1000,
    codec: "mpeg4",
  });
  const clip = await files.library({ source: path }).clip(undefined, { ...SIZE, fps: 100 });
  const shown = [0, 90, 100, 590, 600, 690, 700, 990, 1000, 1100].map((ms) =>
    numberAt(clip, ms * 1000)
  );
  assert.deepEqual(shown, [0, 0, 1, 1, 2, 2, 3, 3, 0, 1]);
});

Deno.test("idle video: a loop ends where its stream does, also when pictures are stored out of order", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  // The last picture in display is not the last in the file, which alone has a length of its own: 100 ms.
  await writeVideo(path, {
    size: SIZE,
    pictures: numbered(4),
    startsMs: [0, 100, 600, 700],
    endMs: 1000,
    codec: "libx264",
  });
  const clip = await files.library({ source: path }).clip(undefined, { ...SIZE, fps: 100 });
  assert.deepEqual([700, 790, 800, 900].map((ms) => numberAt(clip, ms * 1000)), [3, 3, 0, 1]);
});

Deno.test("idle video: a loop too long for the memory keeps its length with fewer pictures, and says so", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  await writeVideo(path, {
    size: SIZE,
    pictures: numbered(LEVELS),
    startsMs: numbered(LEVELS).map((_, index) => index * 40),
    endMs: 800,
  });
  const log = new RecordingLog();
  const pictureBytes = 64 * 64 * 3 / 2;
  const library = files.library({ source: path, memoryBytesMax: 12 * pictureBytes, log });
  const clip = await library.clip(undefined, { ...SIZE, fps: 25 });
  const shown = Array.from({ length: 20 }, (_, frame) => numberAt(clip, frame * 40_000));
  assert.deepEqual(shown, [0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14, 16, 16, 18, 18]);
  assert.equal(library.memoryBytes, 10 * pictureBytes);
  const [reduced] = log.all("idle_clip_reduced");
  assert.deepEqual([reduced?.step, reduced?.cut, reduced?.pictures_per_s], [2, false, 12.5]);
});

Deno.test("idle video: one far too long is cut, plays there and back, and says so", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  await writeVideo(path, {
    size: SIZE,
    pictures: numbered(LEVELS),
    startsMs: numbered(LEVELS).map((_, index) => index * 1000),
    endMs: 20_000,
  });
  const log = new RecordingLog();
  const library = files.library({ source: path, memoryBytesMax: 4 * 64 * 64 * 3 / 2, log });
  const clip = await library.clip(undefined, { ...SIZE, fps: 25 });
  const shown = Array.from({ length: 8 }, (_, second) => numberAt(clip, second * 1e6));
  assert.deepEqual(shown, [0, 1, 2, 3, 2, 1, 0, 1]);
  const [reduced] = log.all("idle_clip_reduced");
  assert.deepEqual([reduced?.step, reduced?.cut], [1, true]);
});

Deno.test("idle video: one that breaks off plays what there is, and says so", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  await writeVideo(path, {
    size: SIZE,
    pictures: numbered(LEVELS),
    startsMs: numbered(LEVELS).map((_, index) => index * 40),
    endMs: 800,
    codec: "mpeg4",
    indexFirst: true,
  });
  const whole = await Deno.readFile(path);
  await Deno.writeFile(path, whole.subarray(0, whole.length * 0.9));
  const log = new RecordingLog();
  const library = files.library({ source: path, log });
  assert.deepEqual(await library.check(), []);
  const clip = await library.clip(undefined, { ...SIZE, fps: 25 });
  assert.equal(clip.name, "default");
  assert.equal(numberAt(clip, 0), 0);
  assert.equal(numberAt(clip, 120_000), 3);
  assert.equal(log.all("idle_source_damaged").length, 1);
});

Deno.test("idle video: a recording whose clock jumps by an hour has its own length, and a warning", async () => {
  await using files = new IdleFiles();
  const log = new RecordingLog();
  const source = fileURLToPath(new URL("../testdata/idle/jump.flv", import.meta.url));
  await files.library({ source, log }).clip(undefined, { ...SIZE, fps: 25 });
  assert.deepEqual(log.all("idle_clip_ready").map(({ pictures, seconds }) => [pictures, seconds]), [
    [100, 4],
  ]);
  assert.match(String(log.all("idle_source_damaged")[0]?.reason), /timestamps jump by 3600 s/);
});
