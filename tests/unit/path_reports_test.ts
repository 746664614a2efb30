import assert from "assert";
import { readUsableOffer, type UsableOffer } from "../../src/transport/offer_reader.ts";
import { answerPeer } from "../../src/transport/peer_answer.ts";
import { numberExtensionId, PATH_REPORTS } from "../../src/transport/rtp/path_reports.ts";

const TESTDATA = new URL("../testdata/sdp/", import.meta.url);

/** Offers of browsers with video and sound, by name; their ids of the extension. */
const OFFERS = {
  chrome_156_recvonly: 3,
  chrome_156_max_bundle: 3,
  chrome_156_sendrecv_data: 4,
  firefox_153_recvonly: 7,
  firefox_openh264_sendrecv_data: 7,
  safari_18_recvonly_data: 3,
} as const;

function offerOf(name: keyof typeof OFFERS, change: (sdp: string) => string = (sdp) => sdp) {
  const sdp = Deno.readTextFileSync(new URL(`${name}.offer.sdp`, TESTDATA));
  return readUsableOffer(change(sdp), ["h264", "vp8"]);
}

function answerTo(offer: UsableOffer): string {
  return answerPeer({
    offer,
    ssrcs: { video: 1, audio: 2 },
    playoutDelay: false,
    cname: "test",
    ice: { ufrag: "ufrag", pwd: "passwordpasswordpassword" },
    fingerprint: { algorithm: "sha-256", value: Array(32).fill("0A").join(":") },
    candidates: [{ address: "203.0.113.7", port: 10_111, transport: "udp" }],
    sessionId: "1",
    sessionVersion: 1,
  }).sdp;
}

/** Lines of the answer's section for video or sound that name transport-wide reports. */
function reportLines(sdp: string, kind: "video" | "audio"): string[] {
  const section = sdp.split("\r\nm=").find((part) => part.startsWith(kind)) ?? assert.fail(kind);
  return section.split("\r\n").filter((line) => /transport-(cc|wide-cc)/.test(line));
}

/** The ids for video and for sound. */
function idsOf(offer: UsableOffer): (number | undefined)[] {
  const audio = offer.audio ?? assert.fail("no sound was offered");
  return [numberExtensionId(offer, offer.video.media), numberExtensionId(offer, audio.media)];
}

const EXTENSION_LINE = /^a=extmap:.*transport-wide-cc-extensions-01.*\r\n/m;

/** Takes lines away from the sections of one kind. */
function without(line: RegExp, kind: "video" | "audio"): (sdp: string) => string {
  const all = new RegExp(line.source, "gm");
  return (sdp) =>
    sdp.split(/(?=^m=)/m)
      .map((part) => part.startsWith(`m=${kind}`) ? part.replaceAll(all, "") : part)
      .join("");
}

for (const [name, id] of Object.entries(OFFERS)) {
  Deno.test(`path reports: ${name} is answered with feedback and numbers, of video and of sound`, () => {
    const offer = offerOf(name as keyof typeof OFFERS);
    const sdp = answerTo(offer);
    for (const kind of ["video", "audio"] as const) {
      const { payloadType } = (kind === "video" ? offer.video : offer.audio)?.choice ??
        assert.fail();
      assert.deepEqual(reportLines(sdp, kind), [
        `a=rtcp-fb:${payloadType} transport-cc`,
        `a=extmap:${id} ${PATH_REPORTS.extension}`,
      ]);
    }
    assert.deepEqual(idsOf(offer), [id, id]);
  });
}

Deno.test("path reports: an offer without them is answered without them, and nothing is numbered", () => {
  const offer = offerOf(
    "chrome_156_recvonly",
    (sdp) =>
      sdp.replaceAll(/^a=rtcp-fb:\d+ transport-cc\r\n/gm, "")
        .replaceAll(new RegExp(EXTENSION_LINE, "gm"), ""),
  );
  const sdp = answerTo(offer);
  assert.deepEqual([reportLines(sdp, "video"), reportLines(sdp, "audio")], [[], []]);
  assert.deepEqual(idsOf(offer), [undefined, undefined]);
});

Deno.test("path reports: feedback alone, or the extension alone, numbers nothing", () => {
  const noExtension = offerOf("chrome_156_recvonly", without(EXTENSION_LINE, "video"));
  assert.deepEqual(idsOf(noExtension), [undefined, undefined]);
  const noFeedback = offerOf(
    "chrome_156_recvonly",
    without(/^a=rtcp-fb:\d+ transport-cc\r\n/, "video"),
  );
  assert.deepEqual(idsOf(noFeedback), [undefined, undefined]);
});

Deno.test("path reports: video is numbered for viewers whose sound cannot be", () => {
  const offer = offerOf("chrome_156_recvonly", without(EXTENSION_LINE, "audio"));
  assert.deepEqual(idsOf(offer), [3, undefined]);
});

Deno.test("path reports: feedback of a payload type that is not sent does not count", () => {
  const { video } = offerOf("chrome_156_recvonly");
  const { payloadType } = video.choice;
  const offer = offerOf(
    "chrome_156_recvonly",
    (sdp) => sdp.replace(`a=rtcp-fb:${payloadType} transport-cc\r\n`, ""),
  );
  assert.equal(offer.video.choice.payloadType, payloadType);
  assert.deepEqual(idsOf(offer), [undefined, undefined]);
});
