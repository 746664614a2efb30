import assert from "assert";
import type { AppError } from "../../src/base/errors.ts";
import { buildAnswer, canReceive, type SendSection } from "../../src/sdp/answer.ts";
import { SdpError } from "../../src/sdp/model.ts";
import { parseOffer } from "../../src/sdp/offer.ts";
import {
  answerSections,
  OfferError,
  type OfferUse,
  readUsableOffer,
  unusedSections,
  useFurtherOffer,
} from "../../src/transport/offer_reader.ts";
import type { Random } from "../support/random.ts";
import { fuzz, hostileText } from "./harness.ts";

const FOLDER = new URL("../testdata/sdp/", import.meta.url);
const ADDRESS = "203.0.113.7";
const PORT = 10_111;

const OFFERS = [...Deno.readDirSync(FOLDER)]
  .map(({ name }) => name)
  .filter((name) => name.endsWith(".offer.sdp"))
  .sort()
  .map((name) => Deno.readTextFileSync(new URL(name, FOLDER)).trimEnd().split(/\r?\n/));

/** The same with few codecs and extensions: a fifth of the lines, and as much to go wrong in. */
const SHORT_OFFERS = OFFERS.map((lines) => lines.filter((line) => !isSpare(line, lines)));

/** Lines that an offer may hold somewhere, good or bad. */
const LINES = [
  ...new Set(OFFERS.flat()),
  ..."a=ice-lite|a=setup:passive|a=setup:active|a=inactive|a=sendonly|a=bundle-only|a=group:BUNDLE|a=group:BUNDLE 0 0|\
a=group:LS 0 1|m=video 0 RTP/AVP 96|m=application 9 UDP/DTLS/SCTP webrtc-datachannel|m=text 9 RTP/AVP 0|m=|v=0|v=1|a=|\
a=sctp-port:0|a=max-message-size:0|a=mid:__proto__|a=fingerprint:sha-1 00:11|a=fingerprint:sha-512 00|\
a=extmap:15 urn:x|a=extmap:1/recvonly urn:x|a=rtcp-fb:* nack pli|a=fmtp:96 __proto__=1;constructor=2|\
a=rtpmap:96 VP8/90000/__proto__|a=rtpmap:96 VP8|a=rtpmap:111 OPUS/48000|a=rtpmap:96 h264/90000|a=fmtp:96 packetization-mode=0|\
a=fmtp:96 Profile-Level-Id = 42E01F|m=audio 0 UDP/TLS/RTP/SAVPF 0 8|m=video 0 UDP/TLS/RTP/SAVPF 96|a=group:BUNDLE 1|\
m=application 0 UDP/DTLS/SCTP webrtc-datachannel|o=- 1 2 IN IP4 0.0.0.0|a=rtpmap:0 PCMU|a=mid:audio1|a=imageattr:1 send [x=1] recv [y=2]|a=simulcast:send 1;2 recv 3|a=candidate:1 1 udp 1 x.local 9 typ host"
    .split("|"),
];

/** Whether a line says nothing that others do not say, of another codec or extension. */
function isSpare(line: string, lines: readonly string[]): boolean {
  const type = /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+)/.exec(line)?.[1];
  if (type === undefined) return /^a=(candidate|ssrc|extmap:([2-9]|1\d)|extmap-)/.test(line);
  const usable = lines.filter((each) => /^a=rtpmap:\d+ (VP8|opus)/.test(each));
  const h264 = lines.find((each) => /^a=fmtp:\d+ .*packetization-mode=1/.test(each)) ?? "";
  return ![...usable, h264].some((each) => new RegExp(`^a=(rtpmap|fmtp):${type} `).test(each));
}

/** Changes one line, or puts one in, or takes one out. */
function edit(random: Random, lines: string[]): void {
  const index = random.below(lines.length + 1);
  const line = lines[index] ?? "";
  switch (random.below(11)) {
    case 0:
      lines.splice(index, 1);
      break;
    case 1:
      lines.splice(index, 0, line);
      break;
    case 2:
      lines.splice(index, 0, random.pick(LINES));
      break;
    case 3:
      lines[index] = line.slice(0, random.below(line.length + 1));
      break;
    case 4:
      lines[index] = line + hostileText(random, random.oneIn(200) ? 100_000 : 60);
      break;
    case 5:
      lines.push(...lines.splice(index, random.below(8)));
      break;
    case 6:
      lines[index] = line.replace(/\d+/, () => random.pick(["0", "-1", "127", "128", "65536"]));
      break;
    case 7:
      lines[index] = line.replace(/[\w-]+$/, () => hostileText(random));
      break;
    case 8:
      lines[index] = `${line.slice(0, line.indexOf(":") + 1)}${random.uint32()}`;
      break;
    case 9:
      lines[index] = line.replace(
        /(sendrecv|recvonly|sendonly|inactive|actpass)/,
        () => random.pick(["sendrecv", "recvonly", "sendonly", "inactive", "active"]),
      );
      break;
    default:
      lines.splice(index, 0, ...random.pick(SHORT_OFFERS).slice(random.below(30), 40));
  }
}

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

function hostileOffer(random: Random): string {
  if (random.oneIn(50)) return hostileText(random, random.oneIn(20) ? 200_000 : 1_000);
  const lines = [...random.pick(random.oneIn(30) ? OFFERS : SHORT_OFFERS)];
  for (let edits = random.below(5); edits > 0; edits--) edit(random, lines);
  const sdp = lines.join(random.pick(["\r\n", "\r\n", "\r\n", "\n", "\r"]));
  if (!random.oneIn(8)) return sdp;
  return new TextDecoder().decode(random.mutate(new TextEncoder().encode(sdp)));
}

function send(codec: SendSection["codec"], ssrc: number): SendSection {
  const ids = { cname: "pinhole", streamId: "pinhole", trackId: codec.codec };
  const feedback = ["nack", "nack pli", "ccm fir"];
  return {
    kind: "send",
    codec,
    ssrc,
    ...ids,
    feedback,
    extensions: ["urn:3gpp:video-orientation"],
  };
}

function answer(usable: OfferUse): string {
  const { sdp, candidate } = buildAnswer({
    offer: usable.offer,
    sections: answerSections(usable, {
      video: usable.video && send(usable.video.choice, 1),
      audio: usable.audio && send(usable.audio.choice, 2),
    }),
    ice: { ufrag: "serverfragment", pwd: "p".repeat(32) },
    fingerprint: { algorithm: "sha-256", value: Array(32).fill("AB").join(":") },
    candidates: [{ address: ADDRESS, port: PORT, transport: "udp" }],
    sessionId: "1",
    sessionVersion: 1,
  });
  assert.ok(candidate.candidate.includes(` ${ADDRESS} ${PORT} typ host`));
  return sdp;
}

/** An answer mirrors the offer and names one address, whatever the offer held. */
function assertSound(sdp: string, { offer, video }: OfferUse): void {
  const lines = sdp.split("\r\n");
  assert.equal(lines.pop(), "");
  for (const line of lines) assert.match(line, /^[a-z]=[\x20-\x7e]+$/);
  const media = lines.filter((line) => line.startsWith("m=")).map((line) => line.split(" "));
  assert.deepEqual(
    lines.filter((line) => line.startsWith("a=mid:")).map((line) => line.slice(6)),
    offer.media.map(({ mid }) => mid),
  );
  assert.equal(media.length, offer.media.length);
  assert.equal(lines.filter((line) => line.startsWith("a=candidate:")).length, 1);
  assert.equal(lines.filter((line) => line === "a=ice-lite").length, 1);
  // RTP that rides on the transport stays there, and what the offer rejects stays rejected.
  for (const [index, { bundled, kind, codecs }] of offer.media.entries()) {
    const isKept = bundled && codecs.length > 0;
    if (isKept || !bundled || kind === "other") assert.equal(media[index]?.[1] === "0", !isKept);
  }
  for (const line of ["a=setup:passive", "a=ice-ufrag:serverfragment"]) {
    assert.equal(lines.filter((each) => each === line).length, offer.media.length);
  }
  if (video !== undefined) {
    const sent = media[offer.media.indexOf(video.media)] ?? [];
    assert.equal(sent[1], String(PORT));
    assert.equal(sent[3], String(video.choice.payloadType));
  }
  assert.ok(lines.every((line) => !/^[oc]=/.test(line) || line.endsWith(`IP4 ${ADDRESS}`)), sdp);
  assert.ok(sdp.length < 16_000, `${sdp.length} characters`);
}

fuzz("readUsableOffer: any text gives a sound answer or a short refusal", {
  seed: 1,
  perRound: 1,
  open: () => undefined,
  feed(_, random) {
    const sdp = hostileOffer(random);
    try {
      const usable = readUsableOffer(sdp, random.pick([["h264", "vp8"], ["vp8"]] as const));
      assertSound(answer(usable), usable);
      for (const { reason } of unusedSections(usable, ["h264", "vp8"])) {
        assert.doesNotMatch(reason, INVISIBLE);
        assert.ok(reason.length <= 240, reason);
      }
      return "answer";
    } catch (error) {
      if (!(error instanceof SdpError || error instanceof OfferError)) throw error;
      const { message, code } = error as AppError;
      assert.doesNotMatch(message, INVISIBLE);
      assert.ok(message.length < 400, message);
      return code;
    }
  },
  reaches: ["answer", "bad_sdp", "unsupported_codec"],
});

/** A client that wants nothing at present, as after `pause()` of a player. */
function paused(sdp: string): string {
  return sdp.replaceAll(/a=(sendrecv|recvonly)/g, "a=inactive");
}

/** Offers of one viewer, each used in the light of the one before. */
interface Talk {
  use: OfferUse | undefined;
}

fuzz("useFurtherOffer: any text after any offer gives a sound answer or a short refusal", {
  seed: 2,
  inputs: 10_000,
  perRound: 20,
  open: (): Talk => ({ use: undefined }),
  feed(talk, random) {
    const sdp = random.oneIn(30) ? paused(hostileOffer(random)) : hostileOffer(random);
    try {
      if (talk.use === undefined) {
        talk.use = readUsableOffer(sdp, ["h264", "vp8"]);
        return "first";
      }
      const use = useFurtherOffer(parseOffer(sdp), { former: talk.use, codecs: ["h264", "vp8"] });
      assertSound(answer(use), use);
      talk.use = use;
      if (use.video === undefined) return "no_video";
      return canReceive(use.video.media.direction) ? "goes_on" : "paused";
    } catch (error) {
      if (!(error instanceof SdpError || error instanceof OfferError)) throw error;
      return error.code;
    }
  },
  reaches: ["first", "goes_on", "paused", "no_video", "bad_sdp"],
});
