import assert from "assert";
import { readImageSize } from "../../src/media/idle/image_size.ts";
import { IdleFiles } from "../support/media/idle_library.ts";
import { encodeHugePng, encodeJpeg, encodePng, type Size } from "../support/media/idle_media.ts";

const text = (words: string) => new TextEncoder().encode(words);
const GREY = encodePng({ width: 64, height: 64 }, () => [128, 128, 128]);

/** Expects a source to be refused at start, and to show the card at run time. */
async function expectRefused(
  files: IdleFiles,
  { name, data, words }: { name: string; data: Uint8Array; words: RegExp },
): Promise<void> {
  const source = await files.write(name, data);
  const library = files.library({ source });
  const [problem] = await library.check();
  assert.match(problem?.reason ?? `${name} is shown`, words);
  const clip = await library.clip(undefined, { width: 64, height: 64, fps: 25 });
  assert.equal(clip.name, "card", name);
}

Deno.test("idle check: playlists and lists that name other files are refused, and read none", async () => {
  await using files = new IdleFiles();
  const secret = await files.write("secret.png", GREY);
  const words = /not supported for idle pictures|not a readable image or video/;
  const cases = {
    "list.ffconcat": `ffconcat version 1.0\nfile '${secret}'\n`,
    "list.txt": `file '${secret}'\nfile '${secret}'\n`,
    "list.m3u8": `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n${secret}\n#EXT-X-ENDLIST\n`,
    "list.mpd": `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>`,
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n",
    "picture.svg": `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8">` +
      `<image href="${secret}" width="8" height="8"/></svg>`,
    "subtitles.srt": "1\n00:00:00,000 --> 00:00:01,000\nHello\n",
    "subtitles.ass": "[Script Info]\nScriptType: v4.00+\n[Events]\n",
    "metadata.txt": ";FFMETADATA1\ntitle=x\n",
    "picture.ppm": "P6\n2 2\n255\n" + "x".repeat(12),
    "picture.xbm": "#define x_width 8\n#define x_height 1\nstatic char x_bits[] = {0xff};\n",
  };
  for (const [name, data] of Object.entries(cases)) {
    await expectRefused(files, { name, data: text(data), words });
  }
});

Deno.test("idle check: names with patterns of other files are names", async () => {
  await using files = new IdleFiles();
  await files.write("a1.png", GREY);
  for (const name of ["a%d.png", "a*.png", "a[0-9].png"]) {
    const library = files.library({ source: files.path(name) });
    assert.equal((await library.check())[0]?.code, "not_found", name);
  }
});

Deno.test("idle check: pictures that claim more pixels than the limit are refused before they take memory", async () => {
  await using files = new IdleFiles();
  const huge = encodeHugePng({ width: 64, height: 64 });
  const claiming = ({ width, height }: Size) => {
    const copy = huge.slice();
    new DataView(copy.buffer).setUint32(16, width);
    new DataView(copy.buffer).setUint32(20, height);
    return copy;
  };
  const gif = Uint8Array.from([
    ...text("GIF89a"),
    255,
    255,
    255,
    255,
    0,
    0,
    0,
    ...Array(40).fill(0),
  ]);
  const words = /pixels are above the limit of 16384 a side and 64 Mi in all/;
  await expectRefused(files, {
    name: "square.png",
    data: claiming({ width: 60_000, height: 60_000 }),
    words,
  });
  await expectRefused(files, {
    name: "large.png",
    data: claiming({ width: 16_000, height: 16_000 }),
    words,
  });
  await expectRefused(files, {
    name: "most.png",
    data: claiming({ width: 0xffffffff, height: 0xffffffff }),
    words,
  });
  await expectRefused(files, { name: "screen.gif", data: gif, words });
  const webp = Uint8Array.from([
    ...text("RIFF\x32\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"),
    ...[0xff, 0xff, 0, 0xff, 0xff, 0],
    ...Array(20).fill(0),
  ]);
  await expectRefused(files, { name: "canvas.webp", data: webp, words });
  const bmp = new Uint8Array(64);
  const littleEndian = true;
  bmp.set(text("BM"));
  new DataView(bmp.buffer).setInt32(18, 60_000, littleEndian);
  new DataView(bmp.buffer).setInt32(22, -60_000, littleEndian);
  await expectRefused(files, { name: "rows.bmp", data: bmp, words });
  const grey = { left: 99, right: 99 };
  const jpeg = await encodeJpeg({ width: 64, height: 48 }, { picture: grey, orientation: 6 });
  assert.deepEqual(readImageSize(jpeg), { width: 64, height: 48 });
  const frame = jpeg.findIndex((byte, at) => byte === 0xff && jpeg[at + 1] === 0xc0);
  jpeg.set([0xea, 0x60, 0xea, 0x60], frame + 5);
  await expectRefused(files, { name: "photo.jpg", data: jpeg, words });
});

Deno.test("readImageSize: says nothing of what is cut off, or no image", () => {
  assert.deepEqual(readImageSize(GREY), { width: 64, height: 64 });
  assert.equal(readImageSize(GREY.subarray(0, 20)), undefined);
  assert.equal(readImageSize(new Uint8Array(64)), undefined);
});
