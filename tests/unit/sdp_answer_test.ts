import assert from "assert";
import {
  type Answer,
  type AnswerOptions,
  type AnswerSection,
  buildAnswer,
  canReceive,
  sendExtensionId,
  type SendSection,
} from "../../src/sdp/answer.ts";
import { formatCandidate } from "../../src/sdp/candidate.ts";
import { parseOffer } from "../../src/sdp/offer.ts";

const TESTDATA = new URL("../testdata/sdp/", import.meta.url);
const CHROME = readOffer("chrome_156_sendrecv_data");
const PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
const MID = "urn:ietf:params:rtp-hdrext:sdes:mid";

const VIDEO: SendSection = {
  kind: "send",
  codec: {
    codec: "h264",
    payloadType: 108,
    fmtp: { "packetization-mode": "1", "profile-level-id": "42e01f" },
  },
  ssrc: 4_294_967_295,
  cname: "pinhole",
  streamId: "stream",
  trackId: "picture",
  feedback: ["nack", "nack pli", "ccm tmmbr"],
  extensions: [PLAYOUT_DELAY, "urn:not-offered"],
};
const AUDIO: SendSection = {
  ...VIDEO,
  codec: { codec: "opus", payloadType: 111, fmtp: {} },
  trackId: "sound",
};
const DATA: AnswerSection = { kind: "data", maxMessageSizeBytes: 65_536 };
const REJECT: AnswerSection = { kind: "reject" };

function readOffer(name: string): string {
  return Deno.readTextFileSync(new URL(`${name}.offer.sdp`, TESTDATA));
}

function answerTo(
  sdp: string,
  sections: readonly AnswerSection[],
  overrides: Partial<AnswerOptions> = {},
): Answer {
  return buildAnswer({
    offer: parseOffer(sdp),
    sections,
    ice: { ufrag: "pinholeufrag", pwd: "pinholepasswordpinhole" },
    fingerprint: { algorithm: "sha-256", value: Array(32).fill("0A").join(":") },
    candidates: [{ address: "51.161.209.200", port: 10_113, transport: "udp" }],
    sessionId: "7",
    sessionVersion: 1,
    ...overrides,
  });
}

/** The lines of the session and of each media section. */
function levels({ sdp }: Answer): string[][] {
  return sdp.split(/(?=^m=)/m).map((level) => level.split("\r\n").slice(0, -1));
}

/** Levels that hold the line. */
function levelsWith(answer: Answer, line: string): number[] {
  return levels(answer).flatMap((lines, index) => lines.includes(line) ? [index] : []);
}

Deno.test("buildAnswer: writes the session of an ICE-lite agent at the public address", () => {
  assert.deepEqual(levels(answerTo(CHROME, [VIDEO, AUDIO, DATA]))[0], [
    "v=0",
    "o=- 7 1 IN IP4 51.161.209.200",
    "s=-",
    "t=0 0",
    "a=ice-lite",
    "a=ice-options:ice2 trickle",
    "a=msid-semantic: WMS *",
    "a=group:BUNDLE 0 1 2",
  ]);
});

Deno.test("buildAnswer: sends video by one codec, with what was offered of feedback and extensions", () => {
  const id = /a=extmap:(\d+) .*playout-delay/.exec(CHROME)?.[1];
  const answer = answerTo(CHROME, [VIDEO, AUDIO, DATA]);
  assert.deepEqual(
    levels(answer)[1]?.toSorted(),
    [
      "m=video 10113 UDP/TLS/RTP/SAVPF 108",
      "c=IN IP4 51.161.209.200",
      "a=mid:0",
      "a=sendonly",
      "a=rtpmap:108 H264/90000",
      "a=fmtp:108 packetization-mode=1;profile-level-id=42e01f",
      "a=rtcp-fb:108 nack",
      "a=rtcp-fb:108 nack pli",
      `a=extmap:${id} ${PLAYOUT_DELAY}`,
      "a=msid:stream picture",
      "a=ssrc:4294967295 cname:pinhole",
      "a=ice-ufrag:pinholeufrag",
      "a=ice-pwd:pinholepasswordpinhole",
      `a=fingerprint:sha-256 ${Array(32).fill("0A").join(":")}`,
      "a=setup:passive",
      "a=rtcp-mux",
      "a=rtcp-rsize",
      "a=candidate:1 1 udp 2130706431 51.161.209.200 10113 typ host",
      "a=end-of-candidates",
    ].toSorted(),
  );
});

Deno.test("buildAnswer: sends audio by Opus as the offer spells it, without format parameters", () => {
  const audio = levels(answerTo(CHROME, [VIDEO, AUDIO, DATA]))[2] ?? [];
  assert.ok(audio.includes("a=rtpmap:111 opus/48000/2"));
  assert.ok(audio.includes("a=sendonly"));
  assert.ok(!audio.some((line) => line.startsWith("a=fmtp") || line.startsWith("a=candidate")));
});

Deno.test("buildAnswer: carries data channels", () => {
  const data = levels(answerTo(CHROME, [VIDEO, AUDIO, DATA]))[3] ?? [];
  assert.equal(data[0], "m=application 10113 UDP/DTLS/SCTP webrtc-datachannel");
  assert.ok(data.includes("a=sctp-port:5000"));
  assert.ok(data.includes("a=max-message-size:65536"));
  assert.ok(data.includes("a=setup:passive"));
  assert.ok(!data.includes("a=rtcp-mux"));
});

Deno.test("buildAnswer: keeps a rejected section in its place and out of the group", () => {
  const answer = answerTo(CHROME, [VIDEO, REJECT, DATA]);
  assert.deepEqual(levels(answer)[2], [
    "m=audio 0 UDP/TLS/RTP/SAVPF 111",
    "c=IN IP4 51.161.209.200",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=setup:passive",
    "a=mid:1",
    "a=inactive",
    "a=ice-ufrag:pinholeufrag",
    "a=ice-pwd:pinholepasswordpinhole",
    `a=fingerprint:sha-256 ${Array(32).fill("0A").join(":")}`,
    "a=rtcp-mux",
  ]);
  assert.deepEqual(levelsWith(answer, "a=group:BUNDLE 0 2"), [0]);
});

Deno.test("buildAnswer: keeps a section of RTP in which nothing is sent, as inactive", () => {
  const answer = answerTo(CHROME, [VIDEO, { kind: "inactive", payloadType: 8 }, DATA]);
  const audio = levels(answer)[2] ?? [];
  assert.equal(audio[0], "m=audio 10113 UDP/TLS/RTP/SAVPF 8");
  const expected = [
    "a=rtpmap:8 PCMA/8000",
    "a=inactive",
    "a=mid:1",
    "a=rtcp-mux",
    "a=setup:passive",
  ];
  for (const line of expected) assert.ok(audio.includes(line), line);
  assert.ok(!audio.some((line) => /^a=(ssrc|msid|extmap|rtcp-fb)/.test(line)));
  assert.deepEqual(levelsWith(answer, "a=group:BUNDLE 0 1 2"), [0]);
  assert.throws(() => answerTo(CHROME, [VIDEO, AUDIO, { kind: "inactive", payloadType: 8 }]));
});

Deno.test("buildAnswer: counts the answers to one viewer", () => {
  const answer = answerTo(CHROME, [VIDEO, AUDIO, DATA], { sessionVersion: 3 });
  assert.deepEqual(levelsWith(answer, "o=- 7 3 IN IP4 51.161.209.200"), [0]);
});

Deno.test("buildAnswer: makes the transport's section inactive rather than rejecting it", () => {
  const answer = answerTo(CHROME, [REJECT, AUDIO, DATA]);
  const video = levels(answer)[1] ?? [];
  assert.equal(video[0], "m=video 10113 UDP/TLS/RTP/SAVPF 96");
  assert.ok(video.includes("a=rtpmap:96 VP8/90000"));
  assert.ok(video.includes("a=inactive"));
  assert.ok(video.includes("a=end-of-candidates"));
  assert.ok(!video.some((line) => /^a=(ssrc|msid|extmap|rtcp-fb)/.test(line)));
  assert.deepEqual(levelsWith(answer, "a=group:BUNDLE 0 1 2"), [0]);
});

Deno.test("buildAnswer: repeats the format parameters of an inactive section's codec", () => {
  const answer = answerTo(
    readOffer("safari_18_recvonly_data").replace("BUNDLE 0 1 2", "BUNDLE 1 0 2"),
    [AUDIO, REJECT, DATA],
  );
  const [fmtp] = levels(answer)[2]?.filter((line) => line.startsWith("a=fmtp")) ?? [];
  assert.equal(
    fmtp,
    "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f",
  );
});

Deno.test("buildAnswer: sends only where the viewer can receive", () => {
  for (
    const [offered, answered] of [
      ["sendrecv", "sendonly"],
      ["recvonly", "sendonly"],
      ["sendonly", "inactive"],
      ["inactive", "inactive"],
    ] as const
  ) {
    const answer = answerTo(CHROME.replace("a=sendrecv", `a=${offered}`), [VIDEO, AUDIO, DATA]);
    const video = levels(answer)[1] ?? [];
    assert.ok(video.includes(`a=${answered}`), offered);
    assert.equal(video.some((line) => line.startsWith("a=ssrc")), canReceive(offered));
  }
});

Deno.test("buildAnswer: hangs the candidate on the first section of the offer's group", () => {
  const answer = answerTo(CHROME.replace("BUNDLE 0 1 2", "BUNDLE 2 1 0"), [VIDEO, AUDIO, DATA]);
  assert.deepEqual(levelsWith(answer, "a=end-of-candidates"), [3]);
  assert.deepEqual(levelsWith(answer, "a=group:BUNDLE 2 0 1"), [0]);
  assert.deepEqual(answer.candidate, {
    candidate: "candidate:1 1 udp 2130706431 51.161.209.200 10113 typ host",
    sdpMid: "2",
    sdpMLineIndex: 2,
  });
  assert.deepEqual(levelsWith(answer, `a=${answer.candidate.candidate}`), [3]);
});

Deno.test("buildAnswer: rejects sections outside the transport, whatever is asked", () => {
  const answer = answerTo(CHROME.replace("BUNDLE 0 1 2", "BUNDLE 0 2"), [VIDEO, AUDIO, DATA]);
  assert.match(levels(answer)[2]?.[0] ?? "", /^m=audio 0 /);
  assert.deepEqual(levelsWith(answer, "a=group:BUNDLE 0 2"), [0]);
});

Deno.test("buildAnswer: answers a single section without a group, and without trickle", () => {
  const sdp = CHROME.slice(0, CHROME.indexOf("m=audio"))
    .replace(/a=group.*\r\n/, "").replace(/a=ice-options.*\r\n/, "").replace(
      "a=rtcp-rsize\r\n",
      "",
    );
  const answer = answerTo(sdp, [VIDEO]);
  assert.ok(!answer.sdp.includes("a=group"));
  assert.ok(!answer.sdp.includes("a=rtcp-rsize"));
  assert.deepEqual(levelsWith(answer, "a=ice-options:ice2"), [0]);
});

Deno.test("buildAnswer: mirrors an extension's own direction and leaves out what the viewer only sends", () => {
  const sdp = readOffer("firefox_153_recvonly").replace(
    /a=extmap:\d+ .*sdes:mid/g,
    `a=extmap:9/sendonly ${MID}`,
  );
  const [, video] = parseOffer(sdp).media;
  assert.ok(video);
  const id = sendExtensionId(video, PLAYOUT_DELAY);
  assert.equal(sendExtensionId(video, MID), undefined);
  const codec = { codec: "vp8", payloadType: 120, fmtp: {} };
  const answer = answerTo(sdp, [REJECT, { ...VIDEO, codec, extensions: [MID, PLAYOUT_DELAY] }]);
  const extmaps = levels(answer)[2]?.filter((line) => line.startsWith("a=extmap"));
  assert.deepEqual(extmaps, [`a=extmap:${id}/sendonly ${PLAYOUT_DELAY}`]);
});

Deno.test("buildAnswer: announces TCP below UDP, at a place of its own", () => {
  const addresses = [
    { address: "51.161.209.200", port: 10_113, transport: "udp" },
    { address: "203.0.113.7", port: 41_022, transport: "tcp" },
  ] as const;
  const answer = answerTo(CHROME, [VIDEO, AUDIO, DATA], { candidates: addresses });
  const candidates = answer.sdp.split("\r\n").filter((line) => line.startsWith("a=candidate"));
  assert.deepEqual(candidates, [
    "a=candidate:1 1 udp 2130706431 51.161.209.200 10113 typ host",
    "a=candidate:2 1 tcp 1520435199 203.0.113.7 41022 typ host tcptype passive",
  ]);
  assert.deepEqual(candidates, addresses.map((each) => `a=${formatCandidate(each)}`));
});

Deno.test("buildAnswer: announces TCP alone where the host has no UDP", () => {
  const tcp = { address: "203.0.113.7", port: 41_022, transport: "tcp" } as const;
  const answer = answerTo(CHROME, [VIDEO, AUDIO, DATA], { candidates: [tcp] });
  const candidates = answer.sdp.split("\r\n").filter((line) => line.startsWith("a=candidate"));
  assert.deepEqual(candidates, [`a=${formatCandidate(tcp)}`]);
  assert.equal(answer.candidate.candidate, formatCandidate(tcp));
});

Deno.test("buildAnswer: announces an IPv6 address as one", () => {
  const answer = answerTo(CHROME, [VIDEO, AUDIO, DATA], {
    candidates: [{ address: "2001:db8::1", port: 10_113, transport: "udp" }],
  });
  assert.deepEqual(levelsWith(answer, "o=- 7 1 IN IP6 2001:db8::1"), [0]);
  assert.deepEqual(levelsWith(answer, "c=IN IP6 2001:db8::1"), [1, 2, 3]);
  assert.ok(answer.candidate.candidate.includes(" 2001:db8::1 10113 typ host"));
  assert.ok(!answer.sdp.includes("IP4"));
});

Deno.test("buildAnswer: refuses what is no IP address, no port or no token", () => {
  const sections = [VIDEO, AUDIO, DATA];
  for (
    const address of [
      "example.org",
      "",
      "1.2.3",
      "[::1]",
      "fe80::1%eth0",
      "1.2.3.4\r\na=x",
      "1.2.3.4 ",
    ]
  ) {
    const udp = { address, port: 10_113, transport: "udp" } as const;
    assert.throws(() => answerTo(CHROME, sections, { candidates: [udp] }), TypeError, address);
  }
  for (const port of [0, 65_536, 1.5, NaN]) {
    const udp = { address: "51.161.209.200", port, transport: "udp" } as const;
    assert.throws(() => answerTo(CHROME, sections, { candidates: [udp] }), RangeError, `${port}`);
  }
  const pwd = "pinholepasswordpinhole";
  for (
    const overrides of [
      { ice: { ufrag: "abc", pwd } },
      { ice: { ufrag: "pinhole", pwd: `${pwd}\r\n` } },
      { sessionId: "-1" },
      { fingerprint: { algorithm: "sha-256", value: "0A:0B" } },
      { sections: [{ ...VIDEO, trackId: "a b" }, AUDIO, DATA] },
    ] satisfies Partial<AnswerOptions>[]
  ) {
    assert.throws(
      () => answerTo(CHROME, sections, overrides),
      (error) => error instanceof TypeError && !error.message.includes(pwd),
    );
  }
});

Deno.test("buildAnswer: refuses sections that do not fit the offer", () => {
  assert.throws(() => answerTo(CHROME, [VIDEO]), TypeError);
  assert.throws(() => answerTo(CHROME, [DATA, AUDIO, DATA]), TypeError);
  assert.throws(() => answerTo(CHROME, [VIDEO, AUDIO, VIDEO]), TypeError);
  assert.throws(() => answerTo(CHROME, [AUDIO, AUDIO, DATA]), /does not offer payload type 111/);
});
