import assert from "assert";
import {
  assertAlive,
  chunk,
  data,
  init,
  packet,
  sack,
  SctpAttacker,
  words,
} from "../support/attacks/sctp_attacker.ts";

/** What objects of a thousand pieces may cost beside the window. */
const HELD_BYTES_MAX = 1024 * 1024;

function lastAnswer(attacker: SctpAttacker) {
  return attacker.answers.at(-1) ?? assert.fail("no answer");
}

/** Packets that nothing comes of but a number in the metrics. */
const PASSED_OVER: Readonly<Record<string, (attacker: SctpAttacker) => Uint8Array>> = {
  "short: nothing at all": () => new Uint8Array(0),
  "short: 4 bytes": () => Uint8Array.of(1, 2, 3, 4),
  "short: a header without a chunk": ({ tag }) => packet(tag),
  "checksum: of another packet": ({ tag }) => {
    const bytes = packet(tag, sack(0));
    bytes.set([0, 0, 0, 0], 8);
    return bytes;
  },
  "wrong_tag: one too many": ({ tag }) => packet((tag + 1) >>> 0, chunk(4, [0, 1, 0, 4])),
  "wrong_tag: an ABORT with another tag": ({ tag }) => packet((tag + 1) >>> 0, chunk(6)),
  "wrong_tag: an ABORT that reflects another tag": () => packet(99, chunk(6, [], { flags: 1 })),
  "wrong_tag: an INIT with ours": ({ tag }) => packet(tag, init()),
  "wrong_tag: data with the tag of an INIT": () => packet(0, data({ tsn: 5 })),
  "malformed: a chunk of length 0": ({ tag }) => packet(tag, chunk(4, [1, 2, 3, 4], { length: 0 })),
  "malformed: a chunk of length 3": ({ tag }) => packet(tag, chunk(4, [1, 2, 3, 4], { length: 3 })),
  "malformed: a chunk longer than its packet": ({ tag }) =>
    packet(tag, chunk(0, [1, 2, 3, 4], { length: 900 })),
  "malformed: padding that is not there": ({ tag }) =>
    packet(tag, chunk(4, [1, 2, 3, 4, 5]).subarray(0, 9)),
  "malformed: DATA without its header": ({ tag }) => packet(tag, chunk(0, [0, 0, 0, 9])),
  "malformed: a SACK that is cut": ({ tag }) => packet(tag, chunk(3, words(1))),
  "malformed: a SACK that counts blocks it has not": ({ tag }) =>
    packet(tag, sack(0, { counts: [65_535, 0] })),
  "malformed: a SACK that counts duplicates it has not": ({ tag }) =>
    packet(tag, sack(0, { counts: [0, 65_535] })),
  "malformed: gap blocks out of order": ({ tag, lastTsn }) =>
    packet(tag, sack(lastTsn, { gaps: [[9, 10], [3, 4]] })),
  "malformed: a gap block that ends before it begins": ({ tag, lastTsn }) =>
    packet(tag, sack(lastTsn, { gaps: [[9, 2]] })),
  "malformed: 270 gap blocks of everything": ({ tag, lastTsn }) =>
    packet(tag, sack(lastTsn, { gaps: Array.from({ length: 270 }, () => [2, 65_535] as const) })),
  "malformed: a RE-CONFIG that is cut": ({ tag }) =>
    packet(tag, chunk(130, [0, 13, 0, 8, 0, 0, 0, 1])),
  "malformed: a RE-CONFIG with a parameter of length 0": ({ tag }) =>
    packet(tag, chunk(130, [0, 13, 0, 0, 0, 0, 0, 0])),
  "malformed: a RE-CONFIG without parameters": ({ tag }) => packet(tag, chunk(130)),
  "malformed: a FORWARD-TSN that is cut": ({ tag }) => packet(tag, chunk(192, [0, 0])),
  "malformed: a FORWARD-TSN with half a stream": ({ tag }) =>
    packet(tag, chunk(192, [0, 0, 0, 9, 0, 1])),
  "malformed: a SHUTDOWN without a TSN": ({ tag }) => packet(tag, chunk(7)),
  "malformed: an INIT that is cut": () => packet(0, chunk(1, words(7, 9))),
  "malformed: an INIT with a parameter of length 0": () =>
    packet(0, init({ parameters: [0x80, 8, 0, 0] })),
  "malformed: an INIT with ten thousand parameters": () =>
    packet(0, init({ parameters: Array.from({ length: 10_000 }, () => [0xc0, 99, 0, 4]).flat() })),
  "too_many_chunks: hundreds": ({ tag }) =>
    packet(tag, ...Array.from({ length: 300 }, () => chunk(11))),
  "bundled: an INIT that is not alone": () => packet(0, init(), chunk(11)),
  "unknown_chunk: one that is to be passed over": ({ tag }) => packet(tag, chunk(0xbf, [1, 2, 3])),
  "unknown_chunk: one that ends the packet": ({ tag }) => packet(tag, chunk(0x3f), chunk(6)),
  "unexpected_chunk: an INIT-ACK": ({ tag }) =>
    packet(tag, chunk(2, [...words(9, 0x10_0000, 0x10001, 5), 0, 7, 0, 8, 1, 2, 3, 4])),
  "unexpected_chunk: a COOKIE-ACK": ({ tag }) => packet(tag, chunk(11)),
  "unexpected_chunk: a SHUTDOWN-ACK": ({ tag }) => packet(tag, chunk(8)),
  "unexpected_chunk: a SHUTDOWN-COMPLETE": ({ tag }) => packet(tag, chunk(14)),
  "bad_cookie: a guess": ({ tag }) => packet(tag, chunk(10, new Uint8Array(16))),
  "bad_cookie: none": ({ tag }) => packet(tag, chunk(10)),
  "restart: an INIT with another tag": () => packet(0, init({ tag: 8 })),
  "bad_init: an INIT with tag 0": () => packet(0, init({ tag: 0 })),
  "bad_init: an INIT without streams": () => packet(0, init({ into: 0 })),
  "bad_init: an INIT with a window of nothing": () => packet(0, init({ window: 0 })),
  "old_sack: one of long ago": ({ tag, lastTsn }) => packet(tag, sack((lastTsn - 9) >>> 0)),
  "long_heartbeat: one of a kilobyte": ({ tag }) => packet(tag, chunk(4, new Uint8Array(1_000))),
  "outside_window: a TSN far ahead": ({ tag, tsn }) => packet(tag, data({ tsn: tsn + 10_000 })),
  "outside_window: a TSN almost half of all ahead": ({ tag, tsn }) =>
    packet(tag, data({ tsn: (tsn + 2 ** 31 - 2) >>> 0 })),
};

for (const [name, attack] of Object.entries(PASSED_OVER)) {
  Deno.test(`Association: drops a packet that is ${name}`, () => {
    const attacker = SctpAttacker.withChannel();
    const before = attacker.answers.length;
    attacker.raw(attack(attacker));
    assert.deepEqual(attacker.drops, [name.split(":")[0]]);
    assert.ok(attacker.answers.length <= before + 1, "one packet makes more than one answer");
    assertAlive(attacker);
  });
}

/** What ends the sender's association, and nothing else. */
const ENDS: Readonly<Record<string, (attacker: SctpAttacker) => readonly Uint8Array[]>> = {
  "no_user_data: DATA that is empty": ({ tsn }) => [data({ tsn, payload: [] })],
  "sack_beyond_sent: a cumulative TSN of tomorrow": ({ sentTsn }) => [sack(sentTsn + 1)],
  "sack_beyond_sent: gaps behind all that was sent": ({ sentTsn }) => [
    sack(sentTsn, { gaps: [[2, 3]] }),
  ],
  "skips_too_far: a FORWARD-TSN that jumps by almost 2^31": ({ tsn }) => [
    chunk(192, words((tsn + 2 ** 31 - 2) >>> 0)),
  ],
  "pieces_contradict: a middle without a beginning": ({ tsn }) => [data({ tsn, flags: "" })],
  "pieces_contradict: an end without a beginning": ({ tsn }) => [data({ tsn, flags: "E" })],
  "pieces_contradict: a beginning in a message": ({ tsn }) => [
    data({ tsn, flags: "B" }),
    data({ tsn: tsn + 1, flags: "B" }),
  ],
  "pieces_contradict: a middle on another stream": ({ tsn }) => [
    data({ tsn, flags: "B" }),
    data({ tsn: tsn + 1, flags: "", stream: 2 }),
  ],
  "pieces_contradict: a middle with another number": ({ tsn }) => [
    data({ tsn, flags: "B", ssn: 1 }),
    data({ tsn: tsn + 1, flags: "", ssn: 2 }),
  ],
  "pieces_contradict: a middle that is unordered all at once": ({ tsn }) => [
    data({ tsn, flags: "B" }),
    data({ tsn: tsn + 1, flags: "U" }),
  ],
  "pieces_contradict: a beginning that comes before what came behind it as whole": ({ tsn }) => [
    data({ tsn: tsn + 1, flags: "BEU" }),
    data({ tsn, flags: "BU" }),
  ],
  "order_contradicts: a number that was there": ({ tsn }) => [
    data({ tsn, ssn: 0 }),
  ],
  "order_contradicts: a number twice, while it waits": ({ tsn }) => [
    data({ tsn, ssn: 5 }),
    data({ tsn: tsn + 1, ssn: 5 }),
  ],
  "aborted_by_viewer: an ABORT": () => [chunk(6)],
  "aborted_by_viewer: an ABORT that reflects the tag": () => [],
};

for (const [name, attack] of Object.entries(ENDS)) {
  Deno.test(`Association: ends at ${name}`, () => {
    const attacker = SctpAttacker.withChannel();
    const chunks = attack(attacker);
    if (chunks.length > 0) attacker.say(...chunks);
    else attacker.raw(packet(7, chunk(6, [], { flags: 1 })));
    assert.equal(attacker.end, name.split(":")[0]);
    const isOurs = !name.startsWith("aborted_by_viewer");
    assert.equal(lastAnswer(attacker).kind === "abort", isOurs);
    assert.equal(attacker.channels.timeoutAtMs, undefined, "a timer goes on");
    assert.ok(!attacker.channels.send(0, "late", attacker.nowMs));
    const { length } = attacker.answers;
    for (const again of [packet(0, init()), packet(attacker.tag, data({ tsn: attacker.tsn }))]) {
      attacker.raw(again);
    }
    assert.equal(attacker.answers.length, length, "it answers after its end");
    assert.deepEqual(attacker.drops.slice(-2), ["after_end", "after_end"]);
  });
}

Deno.test("Association: every second TSN is kept up to a bound, and the rest comes again", () => {
  const attacker = SctpAttacker.withChannel();
  const { tsn } = attacker;
  for (let turn = 1; turn < 20_000; turn += 2) {
    attacker.say(data({ tsn: tsn + turn, flags: "BEU", payload: new Uint8Array(100) }));
    if (turn % 3_000 === 1) attacker.wait(1_000);
  }
  assert.ok(attacker.channels.heldBytes < HELD_BYTES_MAX);
  assert.ok(attacker.messages.length <= 256, `${attacker.messages.length} gaps`);
  const last = lastAnswer(attacker);
  assert.ok(last.kind === "sack" && last.gaps.length === 64);
  // What was missing comes: all that was told as received is.
  for (let at = 0; at < 512; at += 2) attacker.say(data({ tsn: tsn + at, flags: "BEU" }));
  attacker.tsn = tsn + 512;
  assertAlive(attacker);
});

Deno.test("Association: messages that never end hold a window at most, of tiny pieces too", () => {
  for (const bytes of [1, 10, 1_100]) {
    const attacker = SctpAttacker.withChannel();
    attacker.next();
    // The first is missing, so that nothing is delivered.
    for (let turn = 0; turn < 9_000; turn++) {
      const flags = turn === 0 ? "BU" : "U";
      attacker.say(data({ tsn: attacker.next(), flags, payload: new Uint8Array(bytes) }));
      if (turn % 3_000 === 2_999) attacker.wait(1_000);
    }
    assert.ok(attacker.channels.heldBytes <= HELD_BYTES_MAX, `${attacker.channels.heldBytes}`);
  }
});

Deno.test("Association: ordered messages behind one that never comes end it at the window's end", () => {
  const attacker = SctpAttacker.withChannel();
  let heldMax = 0;
  for (let ssn = 2; ssn < 2_000 && attacker.end === undefined; ssn++) {
    attacker.say(data({ tsn: attacker.next(), ssn, payload: new Uint8Array(1_100) }));
    heldMax = Math.max(heldMax, attacker.channels.heldBytes);
    if (ssn % 1_000 === 0) attacker.wait(1_000);
  }
  assert.equal(attacker.end, "window_exceeded");
  assert.ok(heldMax < 1.3 * HELD_BYTES_MAX, `${heldMax} bytes`);
});

Deno.test("Association: a message that is too long is dropped whole, and the next one arrives", () => {
  const attacker = SctpAttacker.withChannel();
  for (let turn = 0; turn < 3_000; turn++) {
    const flags = turn === 0 ? "BU" : turn === 2_999 ? "EU" : "U";
    attacker.say(data({ tsn: attacker.next(), flags, payload: new Uint8Array(1_000) }));
    assert.ok(attacker.channels.heldBytes < 100_000, `${attacker.channels.heldBytes}`);
  }
  assert.deepEqual(attacker.drops, ["message_too_long"]);
  assert.deepEqual(attacker.messages, []);
  assertAlive(attacker);
});

Deno.test("Association: numbers wrap around, of TSNs and of streams", () => {
  const attacker = SctpAttacker.withChannel({ tsn: 0xffff_ff00 });
  for (let ssn = 1; ssn < 66_000; ssn++) {
    attacker.say(data({ tsn: attacker.next(), ssn: ssn & 0xffff, payload: [ssn & 0x7f] }));
    if (ssn % 1_000 === 0) attacker.wait(1_000);
  }
  assert.equal(attacker.messages.length, 65_999);
  assertAlive(attacker);
});

Deno.test("Association: data on a stream that is not there is acknowledged, and reported", () => {
  const attacker = SctpAttacker.withChannel();
  const tsn = attacker.next();
  attacker.say(data({ tsn, stream: 100 }));
  assert.deepEqual(attacker.drops, ["invalid_stream"]);
  assert.ok(attacker.answers.some(({ kind }) => kind === "error"));
  attacker.wait(500);
  const last = attacker.answers.filter((each) => each.kind === "sack").at(-1);
  assert.equal(last?.cumulativeTsn, tsn);
  assertAlive(attacker);
});

Deno.test("Association: a cookie that comes again is acknowledged again, and changes nothing", () => {
  const attacker = SctpAttacker.withChannel();
  for (let turn = 0; turn < 100; turn++) attacker.say(chunk(10, attacker.cookie));
  assert.equal(attacker.answers.filter(({ kind }) => kind === "cookie_ack").length, 101);
  assert.equal(attacker.events.filter(({ kind }) => kind === "connected").length, 1);
  assertAlive(attacker);
});

Deno.test("Association: a cookie is good for a minute, and an INIT that comes again gets the same one", () => {
  const attacker = new SctpAttacker();
  const cookieOf = () => {
    attacker.raw(packet(0, init()));
    const answer = lastAnswer(attacker);
    assert.ok(answer.kind === "init_ack");
    attacker.tag = answer.terms.tag;
    return answer.cookie ?? assert.fail();
  };
  const first = Uint8Array.from(cookieOf());
  assert.deepEqual(Uint8Array.from(cookieOf()), first);
  attacker.wait(61_000);
  attacker.say(chunk(10, first));
  assert.deepEqual(attacker.drops, ["bad_cookie"]);
  attacker.say(chunk(10, cookieOf()));
  assert.equal(lastAnswer(attacker).kind, "cookie_ack");
});

Deno.test("Association: a flood of INITs holds nothing, and the last of them counts", () => {
  const attacker = new SctpAttacker();
  for (let tag = 1; tag < 20_000; tag++) {
    attacker.raw(packet(0, init({ tag })));
    if (tag % 3_000 === 0) attacker.wait(1_000);
    attacker.answers.splice(0, attacker.answers.length - 1);
  }
  const answer = lastAnswer(attacker);
  assert.ok(answer.kind === "init_ack");
  attacker.tag = answer.terms.tag;
  attacker.say(chunk(10, answer.cookie));
  assert.equal(lastAnswer(attacker).kind, "cookie_ack");
});

Deno.test("Association: a viewer's SHUTDOWN is answered until it is complete", () => {
  const attacker = SctpAttacker.withChannel();
  attacker.say(chunk(7, words(attacker.sentTsn)));
  assert.equal(lastAnswer(attacker).kind, "shutdown_ack");
  assert.ok(!attacker.channels.send(0, "late", attacker.nowMs));
  attacker.wait(2_000);
  const repeated = attacker.answers.filter(({ kind }) => kind === "shutdown_ack").length;
  assert.ok(repeated > 2, `${repeated} in two seconds`);
  attacker.say(chunk(14));
  assert.equal(attacker.end, "shut_down_by_viewer");
});

Deno.test("Association: a SHUTDOWN that is never completed ends after a while all the same", () => {
  const attacker = SctpAttacker.withChannel();
  attacker.say(chunk(7, words(attacker.sentTsn)));
  attacker.wait(60_000);
  assert.equal(attacker.end, "shut_down_by_viewer");
  assert.ok(attacker.answers.length < 30, `${attacker.answers.length} packets`);
});

Deno.test("Association: a window that stays shut costs a packet now and then, and bounded memory", () => {
  const attacker = SctpAttacker.withChannel();
  attacker.say(sack(attacker.sentTsn, { window: 0 }));
  const message = new Uint8Array(60_000);
  let taken = 0;
  while (attacker.channels.send(0, message, attacker.nowMs)) taken++;
  assert.equal(taken, 17, "a mebibyte waits");
  const before = attacker.answers.length;
  for (let second = 0; second < 600; second++) {
    attacker.say(sack(attacker.lastTsn + 1, { window: 0 }));
    attacker.wait(1_000);
  }
  assert.equal(attacker.end, undefined);
  assert.ok(attacker.answers.length - before < 400, `${attacker.answers.length} packets`);
  attacker.answers.length = 0;
  attacker.say(sack(attacker.lastTsn + 2));
  attacker.wait(4_000);
  assert.ok(attacker.answers.length > 5, "it does not go on when the window opens");
});

Deno.test("Association: a viewer who acknowledges nothing is given up after a minute or so", () => {
  const attacker = SctpAttacker.withChannel();
  assert.ok(attacker.channels.send(0, "anybody?", attacker.nowMs));
  attacker.wait(30_000);
  assert.equal(attacker.end, undefined, "a tunnel may be away for so long");
  attacker.wait(90_000);
  assert.equal(attacker.end, "unanswered");
});

Deno.test("Association: short messages wait up to a number, whatever their bytes", () => {
  const attacker = SctpAttacker.withChannel();
  let taken = 0;
  while (attacker.channels.send(0, "x", attacker.nowMs)) taken++;
  assert.ok(taken >= 256 && taken < 2_000, `${taken} messages`);
});

Deno.test("Association: more packets than any browser sends are dropped, and others later are not", () => {
  const attacker = SctpAttacker.withChannel();
  for (let turn = 0; turn < 10_000; turn++) attacker.say(chunk(5));
  const { drops } = attacker;
  assert.deepEqual([...new Set(drops)], ["over_budget"]);
  assert.ok(drops.length > 5_000 && drops.length < 7_000, `${drops.length}`);
  attacker.wait(1_000);
  assertAlive(attacker);
});

Deno.test("Association: chunks that make work have a smaller budget", () => {
  const kinds = [chunk(4, [0, 1, 0, 4]), chunk(130, [0, 15, 0, 8, ...words(99)])];
  for (const kind of kinds) {
    const attacker = SctpAttacker.withChannel();
    const { length } = attacker.answers;
    for (let turn = 0; turn < 4_000; turn++) attacker.say(kind);
    assert.deepEqual([...new Set(attacker.drops)], ["over_budget"]);
    const answered = attacker.answers.length - length;
    assert.ok(answered > 1_500 && answered <= 2_000, `${answered} answers`);
  }
});

Deno.test("Association: FORWARD-TSN gives up what is missing, and the rest of a message with it", () => {
  const attacker = SctpAttacker.withChannel();
  attacker.next();
  const behind = attacker.next();
  attacker.say(data({ tsn: behind, ssn: 2, payload: [98] }));
  assert.deepEqual(attacker.messages, []);
  // Stream 0 without number 1; the same stream ever again costs no more.
  const streams = Array.from({ length: 250 }, () => words(1)).flat();
  attacker.say(chunk(192, [...words(behind - 1), ...streams]));
  assert.deepEqual(attacker.messages, ["b"]);
  // A message whose beginning is given up, and then the rest of it comes.
  attacker.say(chunk(192, [...words(attacker.next())]));
  attacker.say(data({ tsn: attacker.next(), ssn: 3, flags: "" }));
  attacker.say(data({ tsn: attacker.next(), ssn: 3, flags: "E" }));
  assertAlive(attacker);
});

Deno.test("Association: FORWARD-TSN backwards, or by half of all numbers, changes nothing", () => {
  const attacker = SctpAttacker.withChannel();
  for (const tsn of [0, attacker.tsn - 1, (attacker.tsn - 1 + 2 ** 31) >>> 0]) {
    attacker.say(chunk(192, words(tsn)));
  }
  assertAlive(attacker);
});
