import assert from "assert";
import type { AppError } from "../../src/base/errors.ts";
import { parseOffer } from "../../src/sdp/offer.ts";
import {
  answerSections,
  isFurtherOffer,
  isLateOffer,
  type OfferUse,
  readUsableOffer,
  unusedSections,
  useFurtherOffer,
} from "../../src/transport/offer_reader.ts";

const TESTDATA = new URL("../testdata/sdp/", import.meta.url);
const CODECS = ["h264", "vp8"] as const;
const GSTREAMER = readOffer("gstreamer_whepsrc_vp8");
const MANY = readOffer("chrome_156_many_sections");

function readOffer(name: string): string {
  return Deno.readTextFileSync(new URL(`${name}.offer.sdp`, TESTDATA));
}

/** The message of the refusal that an offer gets. */
function refusal(sdp: string, codecs: readonly ("h264" | "vp8")[] = CODECS): string {
  try {
    readUsableOffer(sdp, codecs);
  } catch (error) {
    assert.equal((error as AppError).code, "unsupported_codec");
    return (error as AppError).message;
  }
  return assert.fail("The offer was taken");
}

Deno.test("readUsableOffer: uses bundle-only sections, of whichever client", () => {
  for (
    const name of ["firefox_153_max_bundle", "gstreamer_whepsrc_h264", "gstreamer_whepsrc_vp8"]
  ) {
    const { video, audio, data } = readUsableOffer(readOffer(name), CODECS);
    assert.ok(video.media.bundled, name);
    assert.ok(audio?.media.bundled, name);
    assert.equal(data !== undefined, name.startsWith("firefox"), name);
  }
});

Deno.test("readUsableOffer: leaves alone what the offer rejects", () => {
  const sdp = GSTREAMER.replace("a=bundle-only\r\n", "");
  assert.equal(readUsableOffer(sdp, CODECS).audio, undefined);
  const outside = GSTREAMER.replace("BUNDLE video0 audio1", "BUNDLE video0");
  assert.equal(readUsableOffer(outside, CODECS).audio, undefined);
});

Deno.test("answerSections: keeps every section of RTP that is not used, as inactive", () => {
  const usable = readUsableOffer(MANY, CODECS);
  const ids = { ssrc: 1, cname: "c", streamId: "s", trackId: "t", feedback: [], extensions: [] };
  const send = { kind: "send", codec: usable.video.choice, ...ids } as const;
  assert.deepEqual(
    answerSections(usable, { video: send, audio: undefined }).map((section) =>
      section.kind === "inactive" ? section.payloadType : section.kind
    ),
    [111, 111, "send", 108, 0, 111, "data", "reject"],
  );
});

Deno.test("answerSections: opens one association, that of the transport's own section", () => {
  const second = readOffer("chrome_156_sendrecv_data");
  const data = second.slice(second.indexOf("m=application")).replace("a=mid:2", "a=mid:3");
  for (const group of ["0 1 2 3", "3 0 1 2"]) {
    const usable = readUsableOffer(
      second.replace("BUNDLE 0 1 2", `BUNDLE ${group}`) + data,
      CODECS,
    );
    assert.equal(usable.data?.mid, group.startsWith("3") ? "3" : "2");
  }
});

Deno.test("readUsableOffer: says of each payload type why it is not sent", () => {
  const rtpmap = "a=rtpmap:97 VP8/90000";
  const only = (...lines: string[]) => refusal(GSTREAMER.replace(rtpmap, lines.join("\r\n")));
  assert.match(
    only("a=rtpmap:97 VP9/90000"),
    /takes H264 or VP8: mid video0: 97 is VP9, which is not/,
  );
  assert.match(only("a=rtpmap:97 VP8/8000"), /97 is VP8\/8000, not 90000/);
  assert.match(
    only("a=rtpmap:97 H264/90000", "a=fmtp:97 packetization-mode=0"),
    /97 is H264 with packetization-mode="0", but the server sends mode 1/,
  );
  assert.match(
    only("a=rtpmap:97 H264/90000", "a=fmtp:97 packetization-mode=1;profile-level-id=7a001f"),
    /97 is H264 with profile-level-id="7a001f", which does not include baseline/,
  );
  assert.match(
    refusal(GSTREAMER, ["h264"]),
    /takes H264: mid video0: 97 is VP8, which is not sent/,
  );
  assert.match(refusal(GSTREAMER.replace("a=recvonly", "a=sendonly")), /it is sendonly/);
  assert.match(refusal(GSTREAMER.replace("m=video", "m=audio")), /no video section/);
});

Deno.test("readUsableOffer: names several payload types in a line of bounded length", () => {
  const chrome = readOffer("chrome_156_recvonly");
  const others = chrome.replaceAll("VP8/90000", "VP9/90000").replaceAll("H264/", "x-other/");
  const message = refusal(others);
  assert.match(message, /96, \d+, .* is VP9, which is not sent; .* is x-other/);
  assert.ok(message.length < 400, `${message.length} characters`);
});

Deno.test("readUsableOffer: says it of each section", () => {
  const message = refusal(MANY.replaceAll("H264/90000", "AV1/90000"));
  assert.match(
    message,
    /: mid 2: 108 is AV1, which is not sent; mid 3: 108 is AV1, which is not sent$/,
  );
});

Deno.test("unusedSections: tells what gets nothing, and why, and nothing of what asks for nothing", () => {
  const usable = readUsableOffer(MANY.replace("a=mid:7\r\na=inactive", "a=mid:7"), CODECS);
  assert.deepEqual(unusedSections(usable, CODECS), [
    { mid: "3", media: "video", reason: "another section has the one stream of its kind" },
    {
      mid: "4",
      media: "audio",
      reason: "0 is PCMU, which is not sent; 8 is PCMA, which is not sent",
    },
    { mid: "7", media: "other", reason: "it is outside the BUNDLE group" },
  ]);
  assert.deepEqual(unusedSections(readUsableOffer(GSTREAMER, CODECS), CODECS), []);
  const silent = readUsableOffer(GSTREAMER.replace("OPUS/48000", "PCMU/8000"), CODECS);
  assert.deepEqual(unusedSections(silent, CODECS), [
    { mid: "audio1", media: "audio", reason: "111 is PCMU, which is not sent" },
  ]);
});

Deno.test("isFurtherOffer: goes by the certificate, and by the session or the credentials", () => {
  const former = parseOffer(GSTREAMER);
  const is = (change: (sdp: string) => string) =>
    isFurtherOffer(parseOffer(change(GSTREAMER)), former);
  const restart = (sdp: string) =>
    sdp.replace(/a=ice-ufrag:.*/g, "a=ice-ufrag:other").replace(/a=ice-pwd:/g, "a=ice-pwd:other");
  const reopen = (sdp: string) => sdp.replace(/^o=- \d+/m, "o=- 77");
  const certify = (sdp: string) =>
    sdp.replace(/a=fingerprint:.*/g, `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`);
  assert.ok(is((sdp) => sdp));
  assert.ok(is((sdp) => sdp.replace(/^(o=- \d+) 0/m, "$1 1")));
  assert.ok(is((sdp) => sdp.replace(/a=fingerprint:.*/g, (line) => line.toLowerCase())));
  assert.ok(is(restart));
  // Some clients write another session id each time.
  assert.ok(is(reopen));
  // A page may give its certificate to a connection that has nothing else in common with the one before.
  assert.ok(!is((sdp) => restart(reopen(sdp))));
  assert.ok(!is(certify));
  for (const origin of ["o=", "o=- 0 0 IN IP4 127.0.0.1"]) {
    const nameless = GSTREAMER.replace(/^o=.*$/m, origin);
    assert.ok(isFurtherOffer(parseOffer(nameless), parseOffer(nameless)));
    assert.ok(!isFurtherOffer(parseOffer(restart(nameless)), parseOffer(nameless)));
  }
});

Deno.test("isLateOffer: goes by the credentials, or by a later version of the session", () => {
  const withOrigin = (origin: string) =>
    parseOffer(GSTREAMER.replace(/^o=- \S+ \S+/m, `o=- ${origin}`));
  const ended = withOrigin("4711 2");
  assert.ok(isLateOffer(ended, ended));
  assert.ok(isLateOffer(withOrigin("77 1"), ended));
  const other = { iceUfrag: "other", icePwd: "p".repeat(22) };
  assert.ok(isLateOffer({ ...withOrigin("4711 3"), ...other }, ended));
  // A client may begin each of its connections with the same line.
  for (const origin of ["4711 2", "4711 1", "77 3", "0 3"]) {
    assert.ok(!isLateOffer({ ...withOrigin(origin), ...other }, ended), origin);
  }
  const nameless = withOrigin("0 0");
  assert.ok(!isLateOffer({ ...withOrigin("0 1"), ...other }, nameless));
  assert.ok(!isLateOffer({ ...ended, fingerprints: [] }, ended));
});

/** What further offers of one connection are used for, one after another. */
function follow(first: string, ...further: string[]): OfferUse {
  const start: OfferUse = readUsableOffer(first, CODECS);
  return further.reduce(
    (former, sdp) => useFurtherOffer(parseOffer(sdp), { former, codecs: CODECS }),
    start,
  );
}

Deno.test("useFurtherOffer: stays with section, codec and payload type while they are offered", () => {
  const { video, audio } = follow(MANY, MANY);
  assert.deepEqual([video?.media.mid, video?.choice.payloadType], ["2", 108]);
  assert.deepEqual([audio?.media.mid, audio?.choice.payloadType], ["5", 111]);
  const chrome = readOffer("chrome_156_recvonly");
  const chosen = readUsableOffer(chrome, CODECS).video.choice;
  // A codec that would have been chosen otherwise comes first now.
  const reordered = chrome.replaceAll("packetization-mode=1;profile-level-id=42e01f", "x=1")
    .replace(/^(a=fmtp:\d+ .*)x=1/m, "$1packetization-mode=1;profile-level-id=42e01f");
  assert.equal(follow(chrome, reordered).video?.choice.codec, chosen.codec);
});

Deno.test("useFurtherOffer: pauses in a section that takes nothing, and goes on in another that does", () => {
  const section = (sdp: string, mid: string) => {
    const parts = sdp.split(/^(?=m=)/m);
    return parts.find((part) => part.includes(`a=mid:${mid}\r`)) ?? "";
  };
  const paused = (sdp: string, mid: string) =>
    sdp.replace(section(sdp, mid), section(sdp, mid).replace("a=recvonly", "a=inactive"));
  const moved = follow(MANY, paused(MANY, "2"));
  assert.equal(moved.video?.media.mid, "3");
  assert.equal(follow(MANY, paused(MANY, "2"), MANY).video?.media.mid, "3");
  const still = follow(MANY, paused(paused(MANY, "2"), "3"));
  assert.deepEqual([still.video?.media.mid, still.video?.media.direction], ["2", "inactive"]);
  const silent = follow(MANY, paused(MANY, "5"));
  assert.deepEqual([silent.audio?.media.mid, silent.audio?.media.direction], ["5", "inactive"]);
  const stopped = MANY.replace(/(m=video) 9/g, "$1 0");
  assert.equal(follow(MANY, stopped).video, undefined);
  assert.equal(follow(MANY, stopped, MANY).video?.media.mid, "2");
});

Deno.test("useFurtherOffer: takes another codec where the present one is offered no more", () => {
  const chrome = readOffer("chrome_156_recvonly");
  const { video } = follow(chrome, chrome.replaceAll("H264/90000", "VP9/90000"));
  assert.equal(video?.choice.codec, "vp8");
  // It stays with that when both are offered.
  const again = follow(chrome, chrome.replaceAll("H264/90000", "VP9/90000"), chrome);
  assert.equal(again.video?.choice.codec, "vp8");
});
