import assert from "assert";
import { IdleFiles, RecordingLog } from "../support/media/idle_library.ts";
import { encodePng, writeVideo } from "../support/media/idle_media.ts";

const FORMAT = { width: 64, height: 64, fps: 25 };
const PICTURE_BYTES = 64 * 64 * 3 / 2;
const PNG = encodePng({ width: 32, height: 32 }, (x, y) => [x * 8, y * 8, 0]);

/** A library of one still picture a name, with room for so many of them. */
async function stills(files: IdleFiles, { names, room }: { names: string[]; room: number }) {
  const sources: Record<string, string> = {};
  for (const name of names) sources[name] = await files.write(`${name}.png`, PNG);
  const log = new RecordingLog();
  const library = files.library({ sources, memoryBytesMax: room * PICTURE_BYTES, log });
  const decoded = () => log.all("idle_clip_ready").map(({ source }) => source);
  return { library, decoded };
}

Deno.test("IdleLibrary: whoever asks for a source at the same time shares one decoding", async () => {
  await using files = new IdleFiles();
  const { library, decoded } = await stills(files, { names: ["anna"], room: 10 });
  const clips = await Promise.all(
    Array.from({ length: 20 }, () => library.clip("anna", FORMAT)),
  );
  assert.deepEqual(decoded(), ["anna"]);
  assert.equal(new Set(clips.map((clip) => clip.frameAt(0))).size, 1);
  assert.equal(library.memoryBytes, PICTURE_BYTES);
});

Deno.test("IdleLibrary: each size is decoded once", async () => {
  await using files = new IdleFiles();
  const { library, decoded } = await stills(files, { names: ["anna"], room: 100 });
  const small = await library.clip("anna", FORMAT);
  const large = await library.clip("anna", { ...FORMAT, width: 128 });
  assert.deepEqual([small.frameAt(0).width, large.frameAt(0).width], [64, 128]);
  await library.clip("anna", FORMAT);
  assert.deepEqual(decoded(), ["anna", "anna"]);
});

Deno.test("IdleLibrary: a name that is not configured shows the default, and no default the card", async () => {
  await using files = new IdleFiles();
  const source = await files.write("default.png", PNG);
  const anna = await files.write("anna.png", PNG);
  const library = files.library({ source, sources: { anna } });
  const nameOf = async (name?: string) => (await library.clip(name, FORMAT)).name;
  assert.equal(await nameOf(), "default");
  assert.equal(await nameOf("anna"), "anna");
  for (const name of ["nobody", "__proto__", "constructor", "../anna.png", ""]) {
    assert.equal(await nameOf(name), "default", name);
  }
  const bare = files.library({});
  assert.equal((await bare.clip("toString", FORMAT)).name, "card");
});

Deno.test("IdleLibrary: what nobody uses goes first, least recently used before the others", async () => {
  await using files = new IdleFiles();
  const { library, decoded } = await stills(files, { names: ["a", "b", "c", "d"], room: 3 });
  const show = async (name: string) => (await library.clip(name, FORMAT)).release();
  for (const name of ["a", "b", "c", "a", "d"]) await show(name);
  assert.equal(library.memoryBytes, 3 * PICTURE_BYTES);
  for (const name of ["a", "c", "d"]) await show(name);
  assert.deepEqual(decoded(), ["a", "b", "c", "d"]);
  await show("b");
  assert.deepEqual(decoded(), ["a", "b", "c", "d", "b"]);
});

Deno.test("IdleLibrary: what somebody uses stays until the last lease ends, and releasing twice counts once", async () => {
  await using files = new IdleFiles();
  const { library, decoded } = await stills(files, { names: ["a", "b"], room: 1 });
  const first = await library.clip("a", FORMAT);
  const second = await library.clip("a", FORMAT);
  first.release();
  first.release();
  (await library.clip("b", FORMAT)).release();
  (await library.clip("a", FORMAT)).release();
  assert.deepEqual(decoded(), ["a", "b"]);
  const before = second.frameAt(0);
  const pixels = before.planes[0]?.data.slice();
  second.release();
  (await library.clip("b", FORMAT)).release();
  assert.equal(library.memoryBytes, PICTURE_BYTES);
  assert.deepEqual(second.frameAt(0).planes[0]?.data, pixels);
});

Deno.test("IdleLibrary: a loop that others squeezed is made anew when there is room", async () => {
  await using files = new IdleFiles();
  const anna = files.path("anna.mp4");
  const bert = files.path("bert.mp4");
  const pictures = Array.from({ length: 16 }, (_, index) => ({ left: index * 10, right: 90 }));
  for (const path of [anna, bert]) {
    const startsMs = pictures.map((_, index) => index * 40);
    await writeVideo(path, { size: { width: 64, height: 64 }, pictures, startsMs, endMs: 640 });
  }
  const log = new RecordingLog();
  const library = files.library({
    sources: { anna, bert },
    memoryBytesMax: 20 * PICTURE_BYTES,
    log,
  });
  const first = await library.clip("anna", FORMAT);
  const squeezed = await library.clip("bert", FORMAT);
  assert.ok(library.memoryBytes <= 20 * PICTURE_BYTES);
  first.release();
  squeezed.release();
  (await library.clip("bert", FORMAT)).release();
  assert.deepEqual(
    log.all("idle_clip_ready").map(({ source, pictures }) => [source, pictures]),
    [["anna", 16], ["bert", 4], ["bert", 16]],
  );
});

Deno.test("IdleLibrary: with all memory in use there is still one picture of each, shared and counted", async () => {
  await using files = new IdleFiles();
  const { library } = await stills(files, { names: ["a", "b"], room: 1 });
  const names = ["a", "b", undefined, "b", undefined];
  const clips = await Promise.all(names.map((name) => library.clip(name, FORMAT)));
  assert.equal(new Set(clips.map((clip) => clip.frameAt(0))).size, 3);
  assert.equal(library.memoryBytes, 3 * PICTURE_BYTES);
  for (const clip of clips) clip.release();
  assert.equal(library.memoryBytes, PICTURE_BYTES);
});

Deno.test("IdleLibrary: a still clip has one picture for ever", async () => {
  await using files = new IdleFiles();
  const { library } = await stills(files, { names: ["a"], room: 1 });
  const clip = await library.clip("a", FORMAT);
  assert.ok(clip.pictures.still);
  assert.equal(clip.frameAt(0), clip.frameAt(123_456_789));
});

Deno.test("IdleLibrary: the event loop goes on while a video is decoded", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  const pictures = Array.from({ length: 60 }, (_, index) => ({ left: index * 4, right: 90 }));
  const startsMs = pictures.map((_, index) => index * 40);
  await writeVideo(path, { size: { width: 512, height: 512 }, pictures, startsMs, endMs: 2400 });
  let ticks = 0;
  let lateMsMax = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    ticks += 1;
    lateMsMax = Math.max(lateMsMax, performance.now() - last);
    last = performance.now();
  }, 2);
  const begun = performance.now();
  await files.library({ source: path }).clip(undefined, { width: 1280, height: 720, fps: 25 });
  clearInterval(timer);
  // Generous: other tests may have the processor. Work on the event loop would hardly let a tick through.
  assert.ok(ticks >= 10, `${ticks} ticks in ${performance.now() - begun} ms`);
  assert.ok(lateMsMax < 1000, `${lateMsMax} ms`);
});

Deno.test("IdleLibrary: close ends a decoding that is under way, and who waits for it gets the card", async () => {
  await using files = new IdleFiles();
  const path = files.path("a.mp4");
  const pictures = Array.from({ length: 100 }, () => ({ left: 40, right: 90 }));
  const startsMs = pictures.map((_, index) => index * 40);
  await writeVideo(path, { size: { width: 64, height: 64 }, pictures, startsMs, endMs: 4000 });
  const log = new RecordingLog();
  const library = files.library({ source: path, log });
  const waiting = library.clip(undefined, FORMAT);
  await library.close();
  assert.equal((await waiting).name, "card");
  assert.equal((await library.clip(undefined, FORMAT)).name, "card");
  assert.deepEqual(log.events, []);
});
