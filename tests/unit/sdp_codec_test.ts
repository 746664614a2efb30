import assert from "assert";
import { chooseOpus, chooseVideoCodec, type VideoCodecName } from "../../src/sdp/codec.ts";
import type { OfferMedia } from "../../src/sdp/model.ts";
import { parseOffer } from "../../src/sdp/offer.ts";

const TESTDATA = new URL("../testdata/sdp/", import.meta.url);
const H264_FIRST: readonly VideoCodecName[] = ["h264", "vp8"];

function readMedia(name: string, kind: OfferMedia["kind"]): OfferMedia {
  const offer = parseOffer(Deno.readTextFileSync(new URL(`${name}.offer.sdp`, TESTDATA)));
  const media = offer.media.find((section) => section.kind === kind);
  assert.ok(media, `${name} offers ${kind}`);
  return media;
}

/** A video section with H.264 under the given fmtp lines, payload types from 96 on. */
function h264Media(...fmtps: string[]): OfferMedia {
  const base = readMedia("chrome_156_recvonly", "video");
  const codecs = fmtps.map((fmtp, index) => ({
    payloadType: 96 + index,
    name: "H264",
    spelling: "H264",
    clockRate: 90_000,
    fmtp: Object.fromEntries(fmtp.split(";").map((pair) => pair.split("="))),
    feedback: [],
  }));
  return { ...base, codecs };
}

Deno.test("chooseVideoCodec: takes constrained baseline in mode 1 from each browser's list", () => {
  for (
    const [name, payloadType] of [
      ["chrome_156_recvonly", 108],
      ["chrome_156_sendrecv_data", 108],
      ["firefox_openh264_sendrecv_data", 126],
      ["safari_18_recvonly_data", 98],
    ] as const
  ) {
    assert.deepEqual(chooseVideoCodec(readMedia(name, "video"), H264_FIRST), {
      codec: "h264",
      payloadType,
      fmtp: {
        "level-asymmetry-allowed": "1",
        "packetization-mode": "1",
        "profile-level-id": "42e01f",
      },
    }, name);
  }
});

Deno.test("chooseVideoCodec: falls back to VP8 where there is no H.264, and only if it may", () => {
  const media = readMedia("firefox_153_recvonly", "video");
  assert.deepEqual(chooseVideoCodec(media, H264_FIRST), {
    codec: "vp8",
    payloadType: 120,
    fmtp: {},
  });
  assert.equal(chooseVideoCodec(media, ["h264"]), undefined);
});

Deno.test("chooseVideoCodec: follows the order of preference, not the viewer's", () => {
  const media = readMedia("safari_18_recvonly_data", "video");
  assert.equal(chooseVideoCodec(media, ["vp8", "h264"])?.payloadType, 106);
  assert.equal(chooseVideoCodec(media, []), undefined);
});

Deno.test("chooseVideoCodec: ranks H.264 profiles by how surely they play constrained baseline", () => {
  const ranked = ["42e01f", "42001f", "4d001f", "640c1f", "64001f"];
  for (let start = 0; start < ranked.length; start++) {
    const worstFirst = ranked.slice(start).reverse();
    const media = h264Media(
      ...worstFirst.map((id) => `packetization-mode=1;profile-level-id=${id}`),
    );
    const choice = chooseVideoCodec(media, ["h264"]);
    assert.equal(choice?.fmtp["profile-level-id"], ranked[start]);
  }
});

Deno.test("chooseVideoCodec: knows constrained baseline in its three spellings", () => {
  for (const id of ["42c01e", "4d801e", "58c01e", "42E01F"]) {
    const media = h264Media(
      "packetization-mode=1;profile-level-id=42001f",
      `packetization-mode=1;profile-level-id=${id}`,
    );
    assert.equal(chooseVideoCodec(media, ["h264"])?.payloadType, 97, id);
  }
});

Deno.test("chooseVideoCodec: passes over H.264 that would not play our stream", () => {
  for (
    const fmtp of [
      "packetization-mode=0;profile-level-id=42e01f",
      "packetization-mode=2;profile-level-id=42e01f",
      "packetization-mode=0",
      "packetization-mode=1;profile-level-id=42e0",
      "packetization-mode=1;profile-level-id=42e01g",
      "packetization-mode=1;profile-level-id=f4001f",
      "packetization-mode=1;profile-level-id=58001f",
    ]
  ) assert.equal(chooseVideoCodec(h264Media(fmtp), ["h264"]), undefined, fmtp);
});

Deno.test("chooseVideoCodec: takes H.264 whose parameters are left out, and leaves them out too", () => {
  for (
    const fmtp of [
      {},
      { "packetization-mode": "1" },
      { "profile-level-id": "42e01f" },
      { "profile-level-id": "42E01F", "packetization-mode": "1", "level-asymmetry-allowed": "1" },
    ]
  ) {
    const text = Object.entries(fmtp).map(([name, value]) => `${name}=${value}`).join(";");
    const choice = chooseVideoCodec(h264Media(text), ["h264"]);
    assert.deepEqual(choice, { codec: "h264", payloadType: 96, fmtp });
  }
});

Deno.test("chooseVideoCodec: prefers H.264 that names its mode, then one that names its profile", () => {
  const ranked = [
    "packetization-mode=1;profile-level-id=42e01f",
    "packetization-mode=1;profile-level-id=42001f",
    "packetization-mode=1",
    "packetization-mode=1;profile-level-id=64001f",
    "profile-level-id=42e01f",
    "",
  ];
  for (let start = 0; start < ranked.length; start++) {
    const worstFirst = ranked.slice(start).reverse();
    const choice = chooseVideoCodec(h264Media(...worstFirst), ["h264"]);
    assert.equal(choice?.payloadType, 96 + worstFirst.length - 1, ranked[start]);
  }
});

Deno.test("chooseVideoCodec: states level asymmetry only where the offer does", () => {
  const media = h264Media("packetization-mode=1;profile-level-id=42e01f");
  assert.deepEqual(chooseVideoCodec(media, ["h264"])?.fmtp, {
    "packetization-mode": "1",
    "profile-level-id": "42e01f",
  });
});

Deno.test("chooseVideoCodec, chooseOpus: take nothing from a section of another kind", () => {
  const video = readMedia("chrome_156_sendrecv_data", "video");
  const audio = readMedia("chrome_156_sendrecv_data", "audio");
  const data = readMedia("chrome_156_sendrecv_data", "application");
  assert.equal(chooseVideoCodec(audio, H264_FIRST), undefined);
  assert.equal(chooseVideoCodec(data, H264_FIRST), undefined);
  assert.equal(chooseVideoCodec({ ...video, kind: "audio" }, H264_FIRST), undefined);
  assert.equal(chooseOpus(video), undefined);
  assert.equal(chooseOpus({ ...audio, kind: "video" }), undefined);
});

Deno.test("chooseOpus: takes stereo Opus at 48 kHz by any spelling of its name", () => {
  const choice = chooseOpus(readMedia("chrome_156_recvonly", "audio"));
  assert.deepEqual(choice, { codec: "opus", payloadType: 111, fmtp: {} });
  assert.equal(chooseOpus(readMedia("firefox_153_recvonly", "audio"))?.payloadType, 109);
  const audio = readMedia("chrome_156_recvonly", "audio");
  const wrongClock = audio.codecs.map((codec) => ({ ...codec, clockRate: 16_000 }));
  assert.equal(chooseOpus({ ...audio, codecs: wrongClock }), undefined);
});

Deno.test("chooseOpus: takes Opus however its channels are written", () => {
  const offer = Deno.readTextFileSync(new URL("gstreamer_whepsrc_vp8.offer.sdp", TESTDATA));
  for (const spelling of ["OPUS/48000", "opus/48000/1", "Opus/48000/2", "opus"]) {
    const audio = parseOffer(offer.replace("OPUS/48000", spelling)).media[1];
    assert.ok(audio);
    assert.deepEqual(chooseOpus(audio), { codec: "opus", payloadType: 111, fmtp: {} }, spelling);
  }
});
