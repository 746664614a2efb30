import assert from "assert";
import type { Answer } from "../../src/sdp/answer.ts";
import { type Offer, SdpError } from "../../src/sdp/model.ts";
import { OfferError, readUsableOffer, type UsableOffer } from "../../src/transport/offer_reader.ts";
import { answerPeer } from "../../src/transport/peer_answer.ts";

const TESTDATA = new URL("../testdata/sdp/", import.meta.url);
const NAMES = [...Deno.readDirSync(TESTDATA)]
  .flatMap(({ name }) => /^(.*)\.offer\.sdp$/.exec(name)?.[1] ?? [])
  .sort();
const OFFERS = NAMES.map((name) => readTestdata(`${name}.offer.sdp`));
const ADDRESS = "51.161.209.200";
/** Few, for a first verdict: tests/fuzz has many. */
const MUTATIONS = 3_000;

/** All lines that an answer may have. */
const ANSWER_LINES = [
  /^v=0$/,
  /^o=- 1234567890123456789 1 IN IP4 51\.161\.209\.200$/,
  /^s=-$/,
  /^t=0 0$/,
  /^c=IN IP4 51\.161\.209\.200$/,
  /^m=\w+ (0|10111) [\w/]+ [\w!#$%&'*+.^`{|}~-]+$/,
  /^a=(ice-lite|msid-semantic: WMS \*|end-of-candidates|rtcp-mux|rtcp-rsize|sendonly|inactive)$/,
  /^a=(ice-options:ice2( trickle)?|ice-ufrag:pinholeufrag|ice-pwd:pinholepasswordpinhole)$/,
  /^a=(setup:passive|sctp-port:5000|max-message-size:(65536|1)|msid:pinhole (video|audio))$/,
  /^a=fingerprint:sha-256 (0A:){31}0A$/,
  /^a=ssrc:\d+ cname:pinhole$/,
  /^a=candidate:1 1 udp 2130706431 51\.161\.209\.200 10111 typ host$/,
  /^a=group:BUNDLE( [\w!#$%&'*+.^`{|}~-]+)+$/,
  /^a=mid:[\w!#$%&'*+.^`{|}~-]+$/,
  /^a=rtpmap:\d{1,3} [\w.-]+\/\d+(\/\d+)?$/,
  /^a=fmtp:\d{1,3} [\x21-\x7e]+$/,
  /^a=rtcp-fb:\d{1,3} (nack|nack pli|ccm fir|transport-cc)$/,
  /^a=extmap:\d{1,2}(\/sendonly)? (http|urn):[\x21-\x7e]+$/,
];

function readTestdata(name: string): string {
  return Deno.readTextFileSync(new URL(name, TESTDATA));
}

/** As the server reads it. */
function read(sdp: string): UsableOffer {
  return readUsableOffer(sdp, ["h264", "vp8"]);
}

/** What the server answers where the session has sound. */
function answerTo(offer: UsableOffer): Answer {
  return answerPeer({
    offer,
    ssrcs: { video: 1000, audio: offer.audio === undefined ? undefined : 1001 },
    playoutDelay: offer.audio === undefined,
    cname: "pinhole",
    ice: { ufrag: "pinholeufrag", pwd: "pinholepasswordpinhole" },
    fingerprint: { algorithm: "sha-256", value: Array(32).fill("0A").join(":") },
    candidates: [{ address: ADDRESS, port: 10_111, transport: "udp" }],
    sessionId: "1234567890123456789",
    sessionVersion: 1,
  });
}

function assertValidOffer(offer: Offer): void {
  assert.match(offer.iceUfrag, /^[A-Za-z0-9+/]{4,256}$/);
  assert.match(offer.icePwd, /^[A-Za-z0-9+/]{22,256}$/);
  assert.ok(offer.fingerprints.some(({ algorithm }) => algorithm === "sha-256"));
  for (const { value } of offer.fingerprints) assert.match(value, /^[0-9A-F]{2}(:[0-9A-F]{2})+$/);
  assert.ok(offer.media.length >= 1 && offer.media.length <= 16);
  assert.equal(new Set(offer.media.map(({ mid }) => mid)).size, offer.media.length);
  const transport = offer.media[offer.transportIndex];
  assert.ok(transport?.bundled && transport.port > 0 && transport.kind !== "other");
  if (offer.bundleGroup.length > 0) assert.equal(offer.bundleGroup[0], transport.mid);
  for (const media of offer.media) {
    assert.ok(Number.isInteger(media.port) && media.port >= 0 && media.port <= 65_535);
    assert.ok(media.codecs.length === 0 || media.kind === "video" || media.kind === "audio");
    assert.equal(media.kind === "application", media.sctpPort !== undefined);
    for (const codec of media.codecs) {
      assert.ok(Number.isInteger(codec.payloadType));
      assert.ok(codec.payloadType >= 0 && codec.payloadType <= 127);
      assert.match(codec.name, /^[\dA-Z_.-]+$/);
      assert.ok(Number.isInteger(codec.clockRate) && codec.clockRate > 0);
    }
    for (const { id } of media.extensions) assert.ok(Number.isInteger(id) && id >= 1 && id <= 14);
  }
}

function assertValidAnswer({ sdp, candidate }: Answer, offer: Offer): void {
  assert.ok(sdp.endsWith("\r\n"));
  const lines = sdp.slice(0, -2).split("\r\n");
  for (const line of lines) {
    assert.ok(ANSWER_LINES.some((pattern) => pattern.test(line)), JSON.stringify(line));
  }
  const sections = lines.filter((line) => line.startsWith("m="));
  assert.equal(sections.length, offer.media.length);
  assert.equal(lines.filter((line) => line.startsWith("a=candidate:")).length, 1);
  assert.ok(lines.includes(`a=${candidate.candidate}`));
  assert.equal(offer.media[candidate.sdpMLineIndex]?.mid, candidate.sdpMid);
  const accepted = offer.media.filter((_, index) => / 10111 /.test(sections[index] ?? ""));
  const group = lines.find((line) => line.startsWith("a=group:BUNDLE "))?.split(" ").slice(1);
  if (group) assert.deepEqual(group.toSorted(), accepted.map(({ mid }) => mid).toSorted());
}

/** Uniform integers below `n` (mulberry32). */
function randomFrom(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const HOSTILE = [
  "",
  " ",
  "0",
  "-1",
  "4294967296",
  "1e400",
  "NaN",
  "__proto__",
  "constructor",
  "undefined",
  "%s%d%v",
  "$&$1",
  "\0",
  "\u2028",
  "\ud800",
  "\r",
  "=",
  ";",
  "a=b\r\na=",
  "192.168.7.7",
  "9".repeat(400),
  "a=mid:0\r\n",
  "a=rtpmap:96 H264/90000/x\r\n",
  "a=group:BUNDLE 0 1 2 3\r\n",
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n",
  "m=audio 0 RTP/AVP\r\n",
  "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f;x=10.0.0.1\r\n",
];

function mutate(lines: readonly string[], random: (n: number) => number): string[] {
  const at = random(lines.length);
  const line = lines[at] ?? "";
  const hostile = HOSTILE[random(HOSTILE.length)] ?? "";
  const column = random(line.length + 1);
  const replaceLine = (...replacement: string[]) => lines.toSpliced(at, 1, ...replacement);
  switch (random(8)) {
    case 0:
      return replaceLine();
    case 1:
      return replaceLine(line, line);
    case 2:
      return replaceLine(line.slice(0, column) + hostile + line.slice(column));
    case 3:
      return replaceLine(line.slice(0, column) + line.slice(column + 1 + random(8)));
    case 4:
      return replaceLine(line.replace(/[^:= /]+$/, () => hostile));
    case 5:
      return replaceLine(line.replace(/\d+/, () => String(random(300))));
    case 6:
      return lines.toSpliced(random(lines.length), 0, line);
    default:
      return lines.slice(0, at + 1);
  }
}

for (const [index, name] of NAMES.entries()) {
  Deno.test(`answerPeer: answers ${name} as recorded`, () => {
    const usable = read(OFFERS[index] ?? "");
    const answer = answerTo(usable);
    assertValidOffer(usable.offer);
    assertValidAnswer(answer, usable.offer);
    const file = new URL(`${name}.answer.sdp`, TESTDATA);
    if (Deno.env.get("PINHOLE_TEST_UPDATE") === "1") Deno.writeTextFileSync(file, answer.sdp);
    assert.equal(answer.sdp, Deno.readTextFileSync(file));
  });

  Deno.test(`answerPeer: shows no address of ${name} and none but the public one`, () => {
    const { sdp } = answerTo(read(OFFERS[index] ?? ""));
    const addresses = sdp.match(/\d+\.\d+\.\d+\.\d+|\b[\w-]+\.local\b|[\da-f]*::[\da-f]+/g) ?? [];
    assert.deepEqual([...new Set(addresses)], [ADDRESS]);
  });
}

Deno.test("readUsableOffer, answerPeer: any broken offer gets a valid answer or a refusal", () => {
  const random = randomFrom(1);
  const offers = OFFERS.map((sdp) => sdp.split("\r\n"));
  let answered = 0;
  for (let i = 0; i < MUTATIONS; i++) {
    let lines = offers[i % offers.length] ?? [];
    for (let count = 1 + random(4); count > 0; count--) lines = mutate(lines, random);
    const sdp = lines.join("\r\n");
    try {
      const usable = read(sdp);
      assertValidOffer(usable.offer);
      assertValidAnswer(answerTo(usable), usable.offer);
      answered++;
    } catch (error) {
      if (!(error instanceof SdpError || error instanceof OfferError)) {
        throw new Error(`Mutation ${i}: ${JSON.stringify(sdp)}`, { cause: error });
      }
    }
  }
  // Both outcomes have to be common, or the mutations say little.
  assert.ok(answered > MUTATIONS / 5 && answered < MUTATIONS * 4 / 5, `${answered} answered`);
});
