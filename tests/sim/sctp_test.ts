import assert from "assert";
import type { ChannelRequest } from "../../src/transport/sctp/dcep.ts";
import { Random } from "../support/random.ts";
import {
  endOf,
  messagesOf,
  type PathOptions,
  SctpPair,
  type Side,
} from "../support/parts/sctp_pair.ts";

const SEEDS = Array.from({ length: 24 }, (_, index) => index + 1);

const RELIABLE: ChannelRequest = {
  label: "pinhole",
  protocol: "",
  unordered: false,
  retransmissionsMax: undefined,
  lifetimeMs: undefined,
};

/** Paths that lose, double and reorder, one worse than the other. */
const PATHS: Readonly<Record<string, Omit<PathOptions, "seed">>> = {
  "is perfect": {},
  "loses 2 %": { loss: 0.02 },
  "doubles and reorders": { delayMs: 10, doubled: 0.1, reordered: 0.3 },
  "loses 10 %, doubles and reorders": { delayMs: 5, loss: 0.1, doubled: 0.05, reordered: 0.2 },
  "is thin and long": { delayMs: 100, capacityKbps: 2_000, loss: 0.01 },
};

/** A pair with a channel on stream 0; who begins depends on the seed: one, the other, or both at once. */
function open(path: PathOptions, request: ChannelRequest = RELIABLE): SctpPair {
  const pair = new SctpPair(path);
  const { client, server } = pair;
  const begin = [[client], [server], [client, server]][path.seed % 3] ?? [client];
  pair.connect(...begin);
  assert.ok(client.channels.open(0, request, pair.nowMs));
  pair.runUntil(() => server.events.some(({ kind }) => kind === "opened"));
  return pair;
}

/** Messages of all lengths, each with its number in front. */
function message(number: number, random: Random): Uint8Array {
  const length = random.pick([4, 5, 20, 100, 1_143, 1_144, 1_160, 1_161, 5_000, 65_536]);
  const bytes = new Uint8Array(length).fill(number);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** Has both sides send so many messages, and runs until all are there. */
function exchange(pair: SctpPair, { count, random }: { count: number; random: Random }): void {
  const sent = new Map<Side, Uint8Array[]>([[pair.client, []], [pair.server, []]]);
  const isDone = () =>
    [...sent].every(([side, list]) => {
      const other = side === pair.client ? pair.server : pair.client;
      return list.length === count && received(other) === count;
    });
  while (!isDone()) {
    for (const [side, list] of sent) {
      if (list.length === count) continue;
      const next = message(list.length, random);
      if (side.channels.send(0, next, pair.nowMs)) list.push(next);
    }
    assert.ok(pair.step(), "stuck");
    assert.ok(pair.nowMs < 3_600_000, "an hour has passed");
  }
  for (const [side, list] of sent) {
    const other = side === pair.client ? pair.server : pair.client;
    assert.deepEqual(messagesOf(other), list);
  }
}

function received({ events }: Side): number {
  return events.reduce((count, { kind }) => count + (kind === "message" ? 1 : 0), 0);
}

for (const [name, path] of Object.entries(PATHS)) {
  Deno.test(`SCTP: over a path that ${name} all messages arrive in order, whoever begins`, () => {
    for (const seed of SEEDS) {
      const pair = open({ ...path, seed });
      exchange(pair, { count: 30, random: new Random(seed) });
      const { client, server } = pair;
      assert.deepEqual([endOf(client), endOf(server)], [undefined, undefined]);
      pair.runFor(5_000);
      assert.equal(client.channels.heldBytes + server.channels.heldBytes, 0);
      assert.equal(client.channels.timeoutAtMs, undefined, "a timer goes on without need");
    }
  });
}

Deno.test("SCTP: a loss is made up for in a fraction of a second", () => {
  const waits: number[] = [];
  for (const seed of SEEDS) {
    const pair = open({ seed, loss: 0.05, delayMs: 5 });
    for (let turn = 0; turn < 40; turn++) {
      const before = received(pair.server);
      const sentAtMs = pair.nowMs;
      assert.ok(pair.client.channels.send(0, "x", pair.nowMs));
      pair.runUntil(() => received(pair.server) > before);
      waits.push(pair.nowMs - sentAtMs);
      pair.runFor(30);
    }
  }
  waits.sort((a, b) => a - b);
  const p95 = waits[Math.floor(waits.length * 0.95)] ?? Infinity;
  assert.ok(p95 < 300, `95 % within ${p95} ms`);
  assert.ok((waits.at(-1) ?? Infinity) < 4_000, `the last within ${waits.at(-1)} ms`);
});

Deno.test("SCTP: unordered messages wait for none before them", () => {
  for (const seed of SEEDS) {
    const pair = open({ seed, loss: 0.1, delayMs: 5 }, { ...RELIABLE, unordered: true });
    pair.runFor(2_000);
    for (let number = 0; number < 200; number++) {
      assert.ok(pair.client.channels.send(0, `${number}`, pair.nowMs));
      pair.runFor(2);
    }
    pair.runUntil(() => received(pair.server) === 200);
    const numbers = messagesOf(pair.server).map(Number);
    assert.notDeepEqual(numbers, numbers.toSorted((a, b) => a - b), "none was overtaken");
    assert.equal(new Set(numbers).size, 200);
  }
});

for (const kind of ["retransmissionsMax", "lifetimeMs"] as const) {
  Deno.test(`SCTP: a channel with ${kind} gives up what is lost, and the next messages arrive`, () => {
    for (const seed of SEEDS) {
      for (const unordered of [true, false]) {
        const request = { ...RELIABLE, unordered, [kind]: 0 };
        const pair = open({ seed, loss: 0.1, delayMs: 5 }, request);
        pair.runFor(2_000);
        let taken = 0;
        for (let number = 0; number < 300; number++) {
          const data = new Uint8Array(number % 50 === 0 ? 5_000 : 100).fill(number);
          if (pair.client.channels.send(0, data, pair.nowMs)) taken++;
          pair.runFor(2);
        }
        pair.runFor(10_000);
        const arrived = messagesOf(pair.server);
        assert.ok(arrived.length < taken, "nothing was given up");
        assert.ok(arrived.length > taken * 0.6, `${arrived.length} of ${taken}`);
        assert.deepEqual([endOf(pair.client), endOf(pair.server)], [undefined, undefined]);
        assert.equal(pair.server.channels.heldBytes, 0);
        assert.equal(pair.client.channels.timeoutAtMs, undefined);
      }
    }
  });
}

Deno.test("SCTP: channels are closed from either side, and their streams used again", () => {
  for (const seed of SEEDS) {
    const pair = open({ seed, loss: 0.1, delayMs: 5, reordered: 0.2 });
    const { client, server } = pair;
    for (let turn = 0; turn < 10; turn++) {
      const [closing, other] = turn % 2 === 0 ? [client, server] : [server, client];
      assert.ok(closing.channels.send(0, `last ${turn}`, pair.nowMs));
      closing.channels.closeChannel(0, pair.nowMs);
      assert.ok(!closing.channels.send(0, "too late", pair.nowMs));
      const closed = ({ events }: Side) => events.filter(({ kind }) => kind === "closed").length;
      pair.runUntil(() => closed(client) === turn + 1 && closed(server) === turn + 1);
      assert.equal(messagesOf(other).at(-1), `last ${turn}`, "what waited leaves first");
      // Both directions have to be reset before a stream is used again (RFC 8831 §6.7).
      pair.runFor(10_000);
      assert.ok(client.channels.open(0, RELIABLE, pair.nowMs));
      const opened = () => server.events.filter(({ kind }) => kind === "opened").length;
      pair.runUntil(() => opened() === turn + 2);
    }
    assert.deepEqual([endOf(client), endOf(server)], [undefined, undefined]);
  }
});

Deno.test("SCTP: a path that is away for half a minute loses no message", () => {
  for (const seed of SEEDS) {
    const pair = open({ seed });
    const { client, server } = pair;
    assert.ok(client.channels.send(0, "before", pair.nowMs));
    pair.runUntil(() => received(server) === 1);
    // Both sides' packets of that time are lost.
    const endMs = pair.nowMs + 30_000;
    assert.ok(client.channels.send(0, "meanwhile", pair.nowMs));
    for (let at = client.channels.timeoutAtMs; at !== undefined && at < endMs;) {
      client.channels.takePackets();
      pair.nowMs = at;
      client.channels.timeout(at);
      at = client.channels.timeoutAtMs;
    }
    client.channels.takePackets();
    pair.nowMs = endMs;
    pair.runUntil(() => received(server) === 2);
    assert.ok(pair.nowMs - endMs < 3_500, `${pair.nowMs - endMs} ms later`);
    assert.deepEqual(messagesOf(server), ["before", "meanwhile"]);
  }
});

Deno.test("SCTP: hundreds of thousands of small messages go through without a long list anywhere", () => {
  const pair = open({ seed: 1, capacityKbps: 1_000_000 });
  const { client, server } = pair;
  let [sent, arrived] = [0, 0];
  const data = new Uint8Array(8);
  const startMs = performance.now();
  while (arrived < 200_000) {
    while (sent < 200_000 && client.channels.send(0, data, pair.nowMs)) sent++;
    assert.ok(pair.step(), "stuck");
    arrived += received(server);
    for (const side of [client, server]) side.events.length = side.sent.length = 0;
  }
  assert.equal(arrived, 200_000);
  // Anything quadratic takes minutes.
  assert.ok(performance.now() - startMs < 120_000, "slow");
});
