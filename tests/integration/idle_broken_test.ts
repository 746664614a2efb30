import assert from "assert";
import { IdleFiles, RecordingLog } from "../support/media/idle_library.ts";
import { encodeHugePng, encodeJpeg, encodePng, writeVideo } from "../support/media/idle_media.ts";

const FORMAT = { width: 64, height: 64, fps: 25 };
const PNG = encodePng({ width: 32, height: 32 }, (x, y) => [x * 8, y * 8, (x * y) % 256]);

async function checkOne(files: IdleFiles, path: string) {
  return await files.library({ sources: { anna: path } }).check();
}

Deno.test("idle check: sources that can be shown have no problem", async () => {
  await using files = new IdleFiles();
  const png = await files.write("a.png", PNG);
  await files.write("folder/1.png", PNG);
  const library = files.library({ source: png, sources: { folder: files.path("folder") } });
  assert.deepEqual(await library.check(), []);
  assert.deepEqual(await files.library({}).check(), []);
});

Deno.test("idle check: names the key, the path and the reason of each", async () => {
  await using files = new IdleFiles();
  const good = await files.write("a.png", PNG);
  await Deno.mkdir(files.path("empty"));
  const problems = await files.library({
    source: files.path("missing.mp4"),
    sources: { good, nobody: files.path("empty") },
  }).check();
  assert.deepEqual(problems, [
    {
      key: "idle.source",
      path: files.path("missing.mp4"),
      code: "not_found",
      reason: "there is no such file or folder",
    },
    {
      key: "idle.sources.nobody",
      path: files.path("empty"),
      code: "no_pictures",
      reason: "the folder has no PNG or JPEG images",
    },
  ]);
});

Deno.test("idle check: a file that is no picture, or only a part of one, is refused", async () => {
  await using files = new IdleFiles();
  const jpeg = await encodeJpeg({ width: 512, height: 512 }, { picture: { left: 0, right: 255 } });
  const damaged = PNG.slice();
  damaged[Math.floor(PNG.length / 2)] = (damaged[Math.floor(PNG.length / 2)] ?? 0) ^ 0xff;
  const wrong: Record<string, Uint8Array> = {
    "empty.png": new Uint8Array(),
    "text.png": new TextEncoder().encode("this is not a picture"),
    "text.mp4": new TextEncoder().encode("this is not a video"),
    "half.png": PNG.subarray(0, PNG.length / 2),
    "header.png": PNG.subarray(0, 20),
    "damaged.png": damaged,
    "half.jpg": jpeg.subarray(0, jpeg.length * 0.6),
    "playlist.m3u8": new TextEncoder().encode(
      "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    ),
  };
  for (const [name, data] of Object.entries(wrong)) {
    const path = await files.write(name, data);
    const [problem, ...others] = await checkOne(files, path);
    assert.equal(problem?.code, "not_decodable", name);
    assert.equal(problem?.path, path);
    assert.equal(others.length, 0);
  }
});

Deno.test("idle check: a video without its end has no index and is refused", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  const picture = { left: 50, right: 90 };
  await writeVideo(path, {
    size: { width: 64, height: 64 },
    pictures: [picture, picture],
    startsMs: [0, 40],
    endMs: 80,
  });
  assert.deepEqual(await checkOne(files, path), []);
  const whole = await Deno.readFile(path);
  await Deno.writeFile(path, whole.subarray(0, whole.length / 2));
  assert.equal((await checkOne(files, path))[0]?.code, "not_decodable");
});

Deno.test("idle check: a picture beyond the limits is refused before it is decoded", async () => {
  await using files = new IdleFiles();
  const wide = await files.write("wide.png", encodeHugePng({ width: 16_385, height: 2 }));
  const large = await files.write("large.png", encodeHugePng({ width: 8192, height: 8193 }));
  for (const [path, size] of [[wide, "16385x2"], [large, "8192x8193"]] as const) {
    const [problem] = await checkOne(files, path);
    assert.equal(problem?.code, "too_large");
    assert.match(problem?.reason ?? "", new RegExp(`^its ${size} pixels`));
  }
  const largest = await files.write("largest.png", encodeHugePng({ width: 16_384, height: 64 }));
  assert.deepEqual(await checkOne(files, largest), []);
});

Deno.test("idle check: what is neither file nor folder is refused", async () => {
  await using files = new IdleFiles();
  const [problem] = await checkOne(files, "/dev/zero");
  assert.equal(problem?.code, "not_readable");
});

Deno.test("idle check: a folder of far too many images is refused", async () => {
  await using files = new IdleFiles();
  await Deno.mkdir(files.path("many"));
  for (let index = 0; index <= 10_000; index++) {
    Deno.writeFileSync(files.path(`many/${index}.png`), PNG);
  }
  const [problem] = await checkOne(files, files.path("many"));
  assert.equal(problem?.code, "too_many_files");
});

Deno.test("idle check: the problem of a folder names its image", async () => {
  await using files = new IdleFiles();
  const broken = await files.write("loop/1.png", PNG.subarray(0, 60));
  await files.write("loop/2.png", PNG);
  const [problem] = await checkOne(files, files.path("loop"));
  assert.deepEqual([problem?.code, problem?.path], ["not_decodable", broken]);
});

Deno.test("idle clip: a broken image behind the first of a folder is left out and logged", async () => {
  await using files = new IdleFiles();
  await files.write("loop/1.png", PNG);
  await files.write("loop/2.png", PNG.subarray(0, 60));
  await files.write("loop/3.png", PNG);
  const log = new RecordingLog();
  const clip = await files.library({ source: files.path("loop"), log }).clip(undefined, FORMAT);
  const starts = [0, 40_000, 80_000, 120_000].map((us) => clip.frameAt(us).timestampUs);
  assert.deepEqual(starts, [0, 0, 80_000, 0]);
  assert.equal(log.all("idle_source_damaged").length, 1);
});

Deno.test("idle clip: a source that broke meanwhile becomes the card, and comes back when it is mended", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.png");
  const log = new RecordingLog();
  const library = files.library({ source: path, log });
  const card = await library.clip(undefined, FORMAT);
  assert.deepEqual([card.name, card.pictures.still], ["card", true]);
  assert.equal(card.frameAt(0).width, 64);
  assert.deepEqual(log.all("idle_source_failed"), [
    { source: "default", path, reason: "there is no such file or folder" },
  ]);
  await files.write("a.png", PNG);
  assert.equal((await library.clip(undefined, FORMAT)).name, "default");
});
