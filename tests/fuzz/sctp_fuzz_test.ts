import assert from "assert";
import { eventually } from "../support/deadline.ts";
import type { Random } from "../support/random.ts";
import { chunk, data, init, packet, SctpAttacker } from "../support/sctp_attacker.ts";
import { hostilePacket, type Knowledge } from "../support/sctp_chaos.ts";
import { parsePacket } from "../../src/transport/sctp/parse.ts";
import { startTestServer, type TestServer } from "../support/test_server.ts";
import { WeriftViewer } from "../support/werift_viewer.ts";
import { fuzz } from "./harness.ts";

/** The window, and the piece that everything waits for. */
const HELD_BYTES_MAX = 1.3 * 1024 * 1024;

/** One packet acknowledges a window at most, and so makes as many leave. */
const ANSWERS_MAX = 130;

/** Packets against the association alone; 100,000 take a minute. */
const CORE_INPUTS = 30_000;

/** Packets over real DTLS; each costs two encryptions and a way through the kernel. 100,000 take some minutes. */
const REAL_INPUTS = 2_000;

/** Packets between two turns of the server, which is in this process: beyond some 200 KiB the kernel drops them. */
const REAL_TURN = 16;

/** How far an association has come when the packets begin: nowhere, to a cookie, or to an open channel. */
const PHASES = ["before", "in", ...Array.from({ length: 8 }, () => "with_channel")] as const;

/** Packets after which an association gives way to another one, on average. */
const LIFE_PACKETS = 60;

/** An association in some state, replaced by another one when it ends. */
class Target {
  attacker: SctpAttacker;
  readonly #random: Random;
  #cookie: Uint8Array = new Uint8Array(0);

  constructor(random: Random) {
    this.#random = random;
    this.attacker = this.#begin();
  }

  get known(): Knowledge {
    const { tag, tsn, sentTsn } = this.attacker;
    return { tag, tsn, sentTsn, cookie: this.#cookie };
  }

  /** @returns What became of the packet. */
  take(bytes: Uint8Array): string {
    const { attacker } = this;
    attacker.answers.length = 0;
    const dropped = attacker.drops.length;
    attacker.raw(bytes);
    assert.ok(attacker.answers.length <= ANSWERS_MAX, `${attacker.answers.length} chunks`);
    assert.ok(attacker.channels.heldBytes <= HELD_BYTES_MAX, `${attacker.channels.heldBytes}`);
    attacker.lastTsn = attacker.sentTsn;
    const outcome = attacker.end ?? attacker.drops[dropped] ?? "taken";
    if (attacker.end !== undefined) {
      assert.equal(attacker.channels.timeoutAtMs, undefined, "a timer goes on");
    }
    if (attacker.end !== undefined || this.#random.oneIn(LIFE_PACKETS)) {
      this.attacker = this.#begin();
    }
    return outcome;
  }

  /** Time passes, and the renderer says something. */
  live(): void {
    const { attacker } = this;
    attacker.wait(this.#random.pick([1, 5, 50, 1_000]));
    const length = this.#random.pick([0, 10, 3_000]);
    attacker.channels.send(0, new Uint8Array(length), attacker.nowMs);
    attacker.collect();
    attacker.lastTsn = attacker.sentTsn;
    // Now and then it goes on as it should.
    if (this.#random.oneIn(2)) attacker.tsn = (attacker.tsn + this.#random.below(3)) >>> 0;
  }

  #begin(): SctpAttacker {
    const options = { seed: this.#random.uint32(), tsn: this.#random.pick([1, 0xffff_fff0]) };
    const phase = this.#random.pick(PHASES);
    if (phase === "with_channel") return SctpAttacker.withChannel(options);
    const attacker = new SctpAttacker(options.seed);
    if (phase === "before") return attacker;
    attacker.raw(packet(0, init({ tsn: options.tsn })));
    const [answer] = attacker.answers;
    assert.ok(answer?.kind === "init_ack");
    attacker.tag = answer.terms.tag;
    this.#cookie = answer.cookie ?? this.#cookie;
    return attacker;
  }
}

fuzz("SCTP: whatever comes, in whatever state, ends one association at most", {
  seed: 40,
  inputs: CORE_INPUTS,
  perRound: 2_000,
  open: (random) => new Target(random),
  feed(target, random) {
    if (random.oneIn(4)) target.live();
    return target.take(hostilePacket(random, target.known));
  },
  close() {
    const attacker = SctpAttacker.withChannel();
    attacker.say(data({ tsn: attacker.next(), ssn: 1 }));
    assert.deepEqual(attacker.messages, ["x"]);
  },
  reaches: [
    ...["taken", "malformed", "checksum", "wrong_tag", "unknown_chunk", "unexpected_chunk"],
    ...["no_user_data", "pieces_contradict", "sack_beyond_sent", "outside_window", "bad_cookie"],
    ...["restart", "bad_init", "bundled", "long_heartbeat", "old_sack", "aborted_by_viewer"],
    ...["skips_too_far", "order_contradicts"],
  ],
});

/** A viewer of a real server, and what they know of their association. */
interface Playing {
  readonly server: TestServer;
  readonly viewer: WeriftViewer;
  known: Knowledge;
  fed: number;
}

/** Joins the server anew, and shakes hands by SCTP. */
async function join(server: TestServer): Promise<Playing> {
  const viewer = await WeriftViewer.play(server.signallingUrl("main"), { rawData: true });
  await viewer.state("connected");
  await viewer.sendData(packet(0, init()));
  await eventually(() => viewer.dataPackets.length > 0, { what: "for an INIT-ACK" });
  const answer = parsePacket(viewer.dataPackets[0] ?? new Uint8Array(0));
  assert.ok(!("fault" in answer));
  const [first] = answer.chunks;
  assert.ok(first?.kind === "init_ack");
  const { tag, initialTsn } = first.terms;
  const cookie = Uint8Array.from(first.cookie ?? []);
  await viewer.sendData(packet(tag, chunk(10, cookie)));
  const known = { tag, cookie, tsn: 1, sentTsn: (initialTsn - 1) >>> 0 };
  return { server, viewer, known, fed: 0 };
}

/** How often an association of the server's has ended. */
function ends(server: TestServer): Promise<number> {
  return server.metric("data_channels_ended_total");
}

fuzz("SCTP: over real DTLS a server goes on serving, whatever a viewer sends", {
  seed: 41,
  inputs: REAL_INPUTS,
  perRound: REAL_INPUTS / 4,
  async open() {
    return await join(await startTestServer({ webrtc: { peers_per_port: 2 } }));
  },
  async feed(playing, random) {
    const { viewer } = playing;
    await viewer.sendData(hostilePacket(random, playing.known));
    if (++playing.fed % REAL_TURN === 0) await new Promise((resolve) => setTimeout(resolve));
    if (random.oneIn(5)) playing.known = { ...playing.known, tsn: playing.known.tsn + 1 };
    viewer.dataPackets.length = viewer.packets.length = 0;
    return "sent";
  },
  async close({ server, viewer }) {
    await viewer.receives(5);
    const another = await WeriftViewer.play(server.signallingUrl("main"));
    await another.receives(5);
    assert.equal(await server.metric("packets_dropped_total", { reason: "internal_error" }), 0);
    assert.ok(await server.metric("data_packets_dropped_total") > 50);
    assert.ok(await ends(server) <= 1);
    await another[Symbol.asyncDispose]();
    await viewer[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  },
  reaches: ["sent"],
  growthBytesMax: 8_000_000,
});
