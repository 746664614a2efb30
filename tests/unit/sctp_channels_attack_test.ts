import assert from "assert";
import {
  assertAlive,
  chunk,
  data,
  dcepOpen,
  init,
  packet,
  sack,
  SctpAttacker,
  words,
} from "../support/attacks/sctp_attacker.ts";

const resetRequest = (request: number, lastTsn: number, ...streams: number[]) =>
  chunk(130, [
    ...[0, 13, 0, 16 + 2 * streams.length, ...words(request, 0, lastTsn)],
    ...streams.flatMap((stream) => [stream >> 8, stream & 0xff]),
  ]);

function resultsOf({ answers }: SctpAttacker): number[] {
  return answers.flatMap((each) => each.kind === "reconfig" ? each.parameters : [])
    .flatMap((parameter) => parameter.kind === "response" ? [parameter.result] : []);
}

Deno.test("Association: resets of streams that are not there, again, or out of turn do no harm", () => {
  const attacker = SctpAttacker.withChannel();
  const last = attacker.tsn - 1;
  attacker.say(resetRequest(1, last, 9, 4_000, 65_535));
  attacker.say(resetRequest(1, last, 9));
  attacker.say(resetRequest(77, last, 9));
  attacker.say(chunk(130, [0, 15, 0, 8, ...words(2)]));
  attacker.say(chunk(130, [0, 16, 0, 12, ...words(12_345, 1)]));
  assert.deepEqual(resultsOf(attacker), [1, 1, 5, 2]);
  assertAlive(attacker);
  attacker.say(resetRequest(3, attacker.tsn - 1));
  assert.ok(attacker.events.some(({ kind }) => kind === "closed"), "all are reset");
  assert.ok(!attacker.channels.send(0, "closed", attacker.nowMs));
  assert.equal(attacker.end, undefined);
});

Deno.test("Association: a reset waits for the data before it", () => {
  const attacker = SctpAttacker.withChannel();
  const first = attacker.next();
  const second = attacker.next();
  attacker.say(data({ tsn: second, ssn: 2, payload: [98] }));
  attacker.say(resetRequest(1, second, 0));
  assert.deepEqual(resultsOf(attacker), [6]);
  attacker.say(data({ tsn: first, ssn: 1, payload: [97] }));
  assert.deepEqual(attacker.messages, ["a", "b"]);
  attacker.say(resetRequest(1, second, 0));
  assert.deepEqual(resultsOf(attacker), [6, 1]);
  assert.equal(attacker.events.filter(({ kind }) => kind === "closed").length, 1);
});

Deno.test("Channels: what is no message of an open channel is dropped and counted", () => {
  const attacker = SctpAttacker.withChannel();
  const say = (ppid: number, payload: readonly number[], stream = 0) =>
    attacker.say(data({ tsn: attacker.next(), flags: "BEU", ppid, payload, stream }));
  say(50, [2], 4);
  say(50, []);
  assert.equal(attacker.end, "no_user_data");
  const other = SctpAttacker.withChannel();
  const sayThere = (ppid: number, payload: readonly number[], stream = 0) =>
    other.say(data({ tsn: other.next(), flags: "BEU", ppid, payload, stream }));
  sayThere(50, [2], 4);
  sayThere(50, [2, 0]);
  sayThere(50, [3]);
  sayThere(50, [3, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0]);
  sayThere(50, dcepOpen("x", 3), 6);
  sayThere(50, dcepOpen("x".repeat(1_025)), 6);
  sayThere(50, dcepOpen("again"));
  sayThere(50, [99]);
  sayThere(7, [1]);
  sayThere(51, [1], 8);
  assert.deepEqual(other.drops, [
    ...["unknown_channel", "bad_dcep", "bad_dcep", "bad_dcep", "bad_dcep", "bad_dcep"],
    ...["channel_twice", "bad_dcep", "unknown_ppid", "unknown_channel"],
  ]);
  sayThere(50, [2]);
  assertAlive(other);
});

Deno.test("Channels: a page that opens channels without end gets as many as there may be", () => {
  const attacker = SctpAttacker.withChannel();
  for (let stream = 1; stream < 100; stream++) {
    attacker.say(data({ tsn: attacker.next(), stream, ppid: 50, payload: dcepOpen(`${stream}`) }));
  }
  assert.equal(attacker.events.filter(({ kind }) => kind === "opened").length, 64);
  assert.deepEqual([...new Set(attacker.drops)], ["too_many_channels"]);
  assertAlive(attacker);
});

for (
  const [what, parameters] of [
    ["that are reset", [0x80, 8, 0, 5, 130, 0, 0, 0]],
    ["without RFC 6525", []],
  ] as const
) {
  Deno.test(`Channels: opening and closing channels without end fills no queue, ${what}`, () => {
    const attacker = new SctpAttacker();
    attacker.raw(packet(0, init({ window: 1500, out: 1024, into: 1024, parameters })));
    const answer = attacker.answers.at(-1);
    assert.equal(answer?.kind, "init_ack");
    if (answer?.kind !== "init_ack") return;
    attacker.tag = answer.terms.tag;
    attacker.say(chunk(10, answer.cookie ?? new Uint8Array(0)));
    const initialTsn = answer.terms.initialTsn;
    // Acknowledgements of the server stay where they are.
    const shut = sack((initialTsn - 1) >>> 0, { window: 0 });
    attacker.say(shut);
    for (let round = 0; round < 100; round++) {
      const opens = Array.from({ length: 40 }, (_, index) => {
        const stream = (40 * round + index) % 1024;
        return data({ tsn: attacker.next(), stream, ppid: 50, payload: dcepOpen("x") });
      });
      const request = words(1 + round, initialTsn - 1, attacker.tsn - 1);
      attacker.say(...opens, chunk(130, [0, 13, 0, 16, ...request]));
      attacker.nowMs += 5;
    }
    const opened = attacker.events.filter(({ kind }) => kind === "opened").length;
    assert.ok(opened >= 40 && opened <= 300, `${opened} channels`);
    assert.ok(attacker.drops.includes("too_many_channels"));
    assert.equal(attacker.end, undefined);
  });
}
