import assert from "assert";
import { SdpError } from "../../src/sdp/model.ts";
import { parseOffer } from "../../src/sdp/offer.ts";

const TESTDATA = new URL("../testdata/sdp/", import.meta.url);
const CHROME = readOffer("chrome_156_sendrecv_data");
const HASH = Array(32).fill("ab").join(":");

function readOffer(name: string): string {
  return Deno.readTextFileSync(new URL(`${name}.offer.sdp`, TESTDATA));
}

/** A description of CRLF lines. */
function sdp(...lines: string[]): string {
  return lines.map((line) => `${line}\r\n`).join("");
}

const SESSION = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"];
const TRANSPORT = [
  "a=ice-ufrag:abcd",
  "a=ice-pwd:abcdefghijklmnopqrstuv",
  `a=fingerprint:sha-256 ${HASH}`,
  "a=setup:actpass",
];
const VIDEO = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:v", "a=rtcp-mux", "a=rtpmap:96 VP8/90000"];
const MINIMAL = [...SESSION, ...VIDEO, ...TRANSPORT];

/** The minimal offer with the line that starts with `start` replaced (by nothing, if there is no replacement). */
function minimalWith(start: string, ...replacement: string[]): string {
  assert.ok(MINIMAL.some((line) => line.startsWith(start)), start);
  return sdp(...MINIMAL.flatMap((line) => line.startsWith(start) ? replacement : [line]));
}

/** Chrome's offer with each `from` replaced; it must occur. */
function chromeWith(from: string | RegExp, to: string): string {
  const changed = CHROME.replaceAll(from, to);
  assert.notEqual(changed, CHROME);
  return changed;
}

function assertRefused(text: string, message: RegExp): void {
  assert.throws(() => parseOffer(text), (error) => {
    assert.ok(error instanceof SdpError, String(error));
    assert.equal(error.code, "bad_sdp");
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("parseOffer: reads Chrome's sections, codecs and extensions", () => {
  const offer = parseOffer(CHROME);
  assert.deepEqual(
    offer.media.map(({ kind, mid, direction, protocol, bundled }) => [
      kind,
      mid,
      direction,
      protocol,
      bundled,
    ]),
    [
      ["video", "0", "sendrecv", "UDP/TLS/RTP/SAVPF", true],
      ["audio", "1", "sendrecv", "UDP/TLS/RTP/SAVPF", true],
      ["application", "2", "sendrecv", "UDP/DTLS/SCTP", true],
    ],
  );
  assert.deepEqual(offer.bundleGroup, ["0", "1", "2"]);
  assert.equal(offer.transportIndex, 0);
  assert.ok(offer.trickle);
  assert.equal(offer.iceUfrag, /a=ice-ufrag:(.*)\r/.exec(CHROME)?.[1]);
  assert.equal(offer.icePwd, /a=ice-pwd:(.*)\r/.exec(CHROME)?.[1]);
  assert.deepEqual(offer.fingerprints, [
    { algorithm: "sha-256", value: /a=fingerprint:sha-256 (.*)\r/.exec(CHROME)?.[1] },
  ]);
  const [video, audio, data] = offer.media;
  assert.deepEqual(video?.codecs.find((codec) => codec.payloadType === 108), {
    payloadType: 108,
    name: "H264",
    spelling: "H264",
    clockRate: 90_000,
    fmtp: {
      "level-asymmetry-allowed": "1",
      "packetization-mode": "1",
      "profile-level-id": "42e01f",
    },
    feedback: ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"],
  });
  assert.deepEqual(video?.codecs.slice(0, 2).map(({ name }) => name), ["VP8", "RTX"]);
  assert.ok(video?.rtcpRsize);
  assert.deepEqual(audio?.codecs[0], {
    payloadType: 111,
    name: "OPUS",
    spelling: "opus",
    clockRate: 48_000,
    channels: 2,
    fmtp: { minptime: "10", useinbandfec: "1" },
    feedback: ["transport-cc"],
  });
  assert.deepEqual(audio?.extensions[0], {
    id: 14,
    uri: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  });
  assert.equal(data?.sctpPort, 5000);
  assert.equal(data?.maxMessageSize, 262_144);
});

Deno.test("parseOffer: reads Firefox's session-level fingerprint and extension directions", () => {
  const offer = parseOffer(readOffer("firefox_153_recvonly"));
  assert.equal(offer.fingerprints.length, 1);
  const playout = offer.media[1]?.extensions.find(({ uri }) => uri.endsWith("playout-delay"));
  assert.equal(playout?.direction, "recvonly");
});

Deno.test("parseOffer: takes bundle-only sections, which have no port of their own", () => {
  const offer = parseOffer(readOffer("firefox_153_max_bundle"));
  assert.deepEqual(offer.media.map(({ port, bundled }) => [port > 0, bundled]), [
    [true, true],
    [false, true],
    [false, true],
  ]);
});

Deno.test("parseOffer: takes one section without a BUNDLE group, credentials at session level", () => {
  const atSession = parseOffer(sdp(...SESSION, ...TRANSPORT, "a=recvonly", ...VIDEO));
  assert.equal(atSession.iceUfrag, "abcd");
  assert.deepEqual(atSession.bundleGroup, []);
  assert.ok(atSession.media[0]?.bundled);
  assert.equal(atSession.media[0]?.direction, "recvonly");
  assert.ok(!atSession.trickle);
  assert.equal(parseOffer(sdp(...MINIMAL).replaceAll("\r\n", "\n")).media.length, 1);
});

Deno.test("parseOffer: refuses what is not SDP or too long", () => {
  for (const text of ["", "{}", "hello\r\n", "m=video 9 X 1\r\nv=0\r\n", "\0\0\0", "v=1\r\n"]) {
    assertRefused(text, /^Offer is not SDP/);
  }
  assertRefused("v=0\r\n", /^Offer has no media section$/);
  assertRefused(sdp(...SESSION), /^Offer has no media section$/);
  assertRefused("v=0\r\n" + "a".repeat(200_000), /characters, more than the limit/);
  assertRefused("v=0\r\n" + "a=b\n".repeat(5000), /lines, more than the limit/);
  const many = Array.from({ length: 17 }, (_, i) => ["m=audio 0 RTP/SAVPF 0", `a=mid:${i}`]).flat();
  assertRefused(sdp(...SESSION, ...many), /17 media sections, more than the limit of 16/);
});

Deno.test("parseOffer: refuses missing or malformed ICE credentials, and never repeats a password", () => {
  assertRefused(minimalWith("a=ice-ufrag"), /no a=ice-ufrag/);
  assertRefused(minimalWith("a=ice-pwd"), /no a=ice-pwd/);
  for (const ufrag of ["abc", "a".repeat(257), "abc-", "äbcd"]) {
    assertRefused(minimalWith("a=ice-ufrag", `a=ice-ufrag:${ufrag}`), /a=ice-ufrag is not 4–256/);
  }
  const secret = "secret-secret-secret-secret";
  assertRefused(
    minimalWith("a=ice-pwd", `a=ice-pwd:${secret}`),
    /^(?!.*secret).*a=ice-pwd is not 22/,
  );
  assertRefused(minimalWith("a=ice-pwd", "a=ice-pwd:abcdefghijklmnopqrstu"), /a=ice-pwd is not 22/);
  const numeric = parseOffer(minimalWith("a=ice-ufrag", "a=ice-ufrag:0123"));
  assert.equal(numeric.iceUfrag, "0123");
  assertRefused(sdp(...SESSION, "a=ice-lite", ...VIDEO, ...TRANSPORT), /ICE-lite/);
});

Deno.test("parseOffer: wants a sha-256 fingerprint and takes stronger ones beside it", () => {
  const strong = `a=fingerprint:SHA-512 ${Array(64).fill("0f").join(":")}`;
  const offer = parseOffer(minimalWith(
    "a=fingerprint",
    `a=fingerprint:sha-256 ${HASH}`,
    "a=fingerprint:md5 00:11",
    strong,
  ));
  assert.deepEqual(offer.fingerprints, [
    { algorithm: "sha-256", value: HASH.toUpperCase() },
    { algorithm: "sha-512", value: Array(64).fill("0F").join(":") },
  ]);
  assertRefused(minimalWith("a=fingerprint"), /no a=fingerprint with sha-256/);
  assertRefused(minimalWith("a=fingerprint", strong), /no a=fingerprint with sha-256/);
  for (
    const hash of [HASH.slice(3), HASH + ":ab", HASH.replaceAll(":", ""), HASH.replace("a", "g")]
  ) {
    assertRefused(
      minimalWith("a=fingerprint", `a=fingerprint:sha-256 ${hash}`),
      /sha-256 fingerprint is not 32 hex bytes/,
    );
  }
  const nine = Array(9).fill(`a=fingerprint:sha-256 ${HASH}`);
  assertRefused(minimalWith("a=fingerprint", ...nine), /9 fingerprints, more than 8/);
});

Deno.test("parseOffer: takes only DTLS roles that leave the viewer the client", () => {
  for (const lines of [["a=setup:active"], ["a=setup:actpass"], []]) {
    assert.equal(parseOffer(minimalWith("a=setup", ...lines)).media.length, 1);
  }
  for (const role of ["passive", "holdconn", "nonsense"]) {
    assertRefused(minimalWith("a=setup", `a=setup:${role}`), new RegExp(`a=setup:${role}`));
  }
});

Deno.test("parseOffer: refuses missing, malformed and repeated mids", () => {
  assertRefused(minimalWith("a=mid"), /Media section 0 has no a=mid/);
  for (const mid of ["", "a(b)", "x".repeat(33), "\x01"]) {
    assertRefused(minimalWith("a=mid", `a=mid:${mid}`), /Media section 0 has a bad a=mid/);
  }
  assertRefused(chromeWith("a=mid:1", "a=mid:0"), /two media sections with a=mid:0/);
});

Deno.test("parseOffer: refuses malformed m= lines and payload types", () => {
  for (
    const line of [
      "m=",
      "m=video",
      "m=video 9",
      "m=video 65536 UDP/TLS/RTP/SAVPF 96",
      "m=video 9/2 UDP/TLS/RTP/SAVPF 96",
      "m=video x UDP/TLS/RTP/SAVPF 96",
      "m= 9 UDP/TLS/RTP/SAVPF 96",
      "m=video 9 UDP/TLS/RTP/SAVPF",
    ]
  ) assertRefused(minimalWith("m=", line), /Media section 0 has a bad m= line/);
  for (const format of ["128", "x", "-1", "1e1", "96 NaN"]) {
    assertRefused(
      minimalWith("m=", `m=video 9 UDP/TLS/RTP/SAVPF ${format}`),
      /Media section 0 has a bad payload type/,
    );
  }
  assertRefused(minimalWith("a=rtpmap"), /Media section 0 has no codec/);
  assertRefused(minimalWith("a=rtpmap", "a=rtpmap:96 VP8/0"), /Media section 0 has no codec/);
});

Deno.test("parseOffer: wants one transport: BUNDLE for several sections, and rtcp-mux", () => {
  assertRefused(chromeWith(/a=group:BUNDLE.*\r\n/g, ""), /no BUNDLE group/);
  assertRefused(chromeWith("a=group:BUNDLE 0 1 2", "a=group:LS 0 1 2"), /no BUNDLE group/);
  assertRefused(chromeWith("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 7"), /names "7"/);
  assertRefused(chromeWith(/^m=(\w+) 9 /gm, "m=$1 0 "), /no section with a port/);
  assertRefused(chromeWith("a=group:BUNDLE 0 1 2", "a=group:BUNDLE "), /no section with a port/);
  assertRefused(chromeWith("a=rtcp-mux\r\n", ""), /no a=rtcp-mux/);
  const alone = sdp(...MINIMAL).replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
  assertRefused(alone, /section 0, which is not served here: "video RTP\/AVP 96"/);
});

Deno.test("parseOffer: hangs the transport on the first section of the group that can be accepted", () => {
  const moved = (from: string | RegExp, to: string) => parseOffer(chromeWith(from, to));
  const unknown = moved("m=video 9 UDP/TLS/RTP/SAVPF", "m=video 9 RTP/AVP");
  assert.deepEqual([unknown.transportIndex, unknown.bundleGroup[0]], [1, "1"]);
  assert.equal(moved("m=video 9", "m=video 0").transportIndex, 1);
  // Without a port a section has no address that the others could ride on (RFC 9143 §7.3.1).
  assert.ok(!moved("m=video 9", "m=video 0").media[0]?.bundled);
  const bundleOnly = moved(/m=video 9 (.*)\r\n/g, "m=video 0 $1\r\na=bundle-only\r\n");
  assert.deepEqual([bundleOnly.transportIndex, bundleOnly.media[0]?.bundled], [1, true]);
});

Deno.test("parseOffer: takes bundle-only for what it is only within the group and at port zero", () => {
  const outside = parseOffer(
    chromeWith("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 2")
      .replace(/m=audio 9 (.*)\r\n/g, "m=audio 0 $1\r\na=bundle-only\r\n"),
  );
  assert.deepEqual(outside.media.map(({ bundled }) => bundled), [true, false, true]);
  const withPort = parseOffer(
    chromeWith(/m=video 9 (.*)\r\n/g, "m=video 9 $1\r\na=bundle-only\r\n"),
  );
  assert.equal(withPort.transportIndex, 0);
  assertRefused(
    chromeWith(/^m=(\w+) 9 (.*)\r\n/gm, "m=$1 0 $2\r\na=bundle-only\r\n"),
    /no section with a port/,
  );
});

Deno.test("parseOffer: knows static payload types, and the clocks that are left out", () => {
  const [media] = parseOffer(
    sdp(...MINIMAL).replace(/^a=rtpmap:96 .*$/m, "a=rtpmap:96 vp8").replace(
      "SAVPF 96",
      "SAVPF 96 0 34 97",
    ),
  ).media;
  assert.deepEqual(
    media?.codecs.map(({ payloadType, spelling, clockRate }) => [payloadType, spelling, clockRate]),
    [[96, "vp8", 90_000], [0, "PCMU", 8000], [34, "H263", 90_000]],
  );
});

Deno.test("parseOffer: reads format parameters in any case, with blanks about their signs", () => {
  const fmtp = "a=fmtp:96 Profile-Level-Id = 42E01F ;PACKETIZATION-MODE=1; ";
  const [media] = parseOffer(sdp(...MINIMAL, fmtp)).media;
  assert.deepEqual(media?.codecs[0]?.fmtp, {
    "profile-level-id": "42E01F",
    "packetization-mode": "1",
  });
});

Deno.test("parseOffer: reads the session id and the version of the origin, if they are such", () => {
  assert.match(parseOffer(CHROME).sessionId, /^\d{10,}$/);
  assert.equal(parseOffer(CHROME.replace(/^o=.*$/m, "o=x abc 1 IN IP4 0.0.0.0")).sessionId, "abc");
  const long = "9".repeat(65);
  for (const origin of ["o=", "o=-", `o=- ${long} 1 IN IP4 0.0.0.0`, "o=- 0 1 IN IP4 0.0.0.0"]) {
    assert.equal(parseOffer(CHROME.replace(/^o=.*$/m, origin)).sessionId, "");
  }
  const versionOf = (version: string) =>
    parseOffer(CHROME.replace(/^o=.*$/m, `o=- 1 ${version} IN IP4 0.0.0.0`)).sessionVersion;
  assert.deepEqual(["7", "1790000000000", "x", "-1"].map(versionOf), [7, 1_790_000_000_000, 0, 0]);
});

Deno.test("parseOffer: leaves sections out of the transport that are not in the first group or disabled", () => {
  const offer = parseOffer(
    chromeWith("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 2 1\r\na=group:BUNDLE 0")
      .replace("m=audio 9", "m=audio 0"),
  );
  assert.deepEqual(offer.media.map(({ bundled }) => bundled), [false, false, true]);
  assert.deepEqual(offer.bundleGroup, ["2"]);
  assert.equal(offer.transportIndex, 2);
});

Deno.test("parseOffer: names the transport's section first in the group", () => {
  const offer = parseOffer(chromeWith("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 1 0 2"));
  assert.equal(offer.transportIndex, 1);
  assert.deepEqual(offer.bundleGroup, ["1", "0", "2"]);
});

Deno.test("parseOffer: calls sections that cannot be carried other", () => {
  for (
    const [from, to] of [
      ["a=sctp-port:5000", "a=sctp-port:0"],
      ["a=sctp-port:5000", "a=sctp-port:65536"],
      ["a=sctp-port:5000\r\n", ""],
      ["UDP/DTLS/SCTP", "DTLS/SCTP"],
      ["webrtc-datachannel", "5000"],
      ["m=application", "m=text"],
    ] as const
  ) assert.equal(parseOffer(chromeWith(from, to)).media[2]?.kind, "other", to);
});

Deno.test("parseOffer: reads message sizes as bytes, with the default and no bound", () => {
  const size = (line: string) =>
    parseOffer(chromeWith("a=max-message-size:262144\r\n", line)).media[2]?.maxMessageSize;
  assert.equal(size("a=max-message-size:1073741823\r\n"), 1_073_741_823);
  assert.equal(size("a=max-message-size:0\r\n"), Infinity);
  assert.equal(size(""), 65_536);
});

Deno.test("parseOffer: keeps of fmtp and extmap only what is well-formed", () => {
  const [media] = parseOffer(sdp(
    ...MINIMAL,
    "a=fmtp:96 __proto__=1; X-Google-Max=2;flag;=3;a=;b=\u00e9;apt=97",
    "a=fmtp:96 late=1",
    "a=rtcp-fb:* nack",
    "a=rtcp-fb:96 nack pli",
    "a=rtcp-fb:96 nack pli",
    "a=extmap:0 urn:zero",
    "a=extmap:15 urn:fifteen",
    "a=extmap:3/sideways urn:three",
    "a=extmap:4 urn:ietf:params:rtp-hdrext:encrypt urn:four",
    "a=extmap:5/recvonly urn:five",
    "a=extmap:5 urn:five-again",
  )).media;
  const [codec] = media?.codecs ?? [];
  assert.deepEqual(Object.entries(codec?.fmtp ?? {}), [
    ["__proto__", "1"],
    ["x-google-max", "2"],
    ["apt", "97"],
  ]);
  assert.deepEqual(codec?.feedback, ["nack pli", "nack"]);
  assert.deepEqual(media?.extensions, [{ id: 5, uri: "urn:five", direction: "recvonly" }]);
});
