import assert from "assert";
import { type Logger, NULL_LOGGER } from "../../src/base/log.ts";
import type { Chunk } from "../../src/transport/sctp/chunks.ts";
import { parsePacket } from "../../src/transport/sctp/parse_packet.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import type { Random } from "../support/random.ts";
import { RawViewer } from "../support/clients/raw_viewer.ts";
import {
  chunk,
  data,
  dcepOpen,
  init,
  packet,
  SctpAttacker,
} from "../support/attacks/sctp_attacker.ts";
import { hostilePacket, type Knowledge } from "../support/attacks/sctp_chaos.ts";
import { startTestServer, type TestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";
import { fuzz } from "./harness.ts";

const CERTIFICATE = createServerCertificate();

/** The window, and the piece that everything waits for. */
const HELD_BYTES_MAX = 1.3 * 1024 * 1024;

/** One packet acknowledges a window at most, and so makes as many leave. */
const ANSWERS_MAX = 130;

/** Packets against the association alone; 100,000 take a minute. */
const CORE_INPUTS = 30_000;

/** Packets over real DTLS; each costs two encryptions and a way through the kernel. 100,000 take a minute or two. */
const REAL_INPUTS = 5_000;

/** Viewers that talk to the real server at a time. */
const TALKERS = 8;

/** Packets between two turns of the server, which is in this process: beyond some 200 KiB the kernel drops them. */
const REAL_TURN = 16;

/** How far an association has come when the packets begin: nowhere, to a cookie, or to an open channel. */
const PHASES = ["before", "in", ...Array<"with_channel">(8).fill("with_channel")] as const;

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

/** How far a viewer's association has come, as a word for what became of a packet. */
type Phase = "before" | "in" | "with_channel" | "after";

/** A viewer of a real server, and what they know of their association. */
class Talker implements AsyncDisposable {
  readonly #viewer: RawViewer;
  #known: Knowledge = { tag: 0, cookie: new Uint8Array(0), tsn: 1, sentTsn: 0 };
  /** Of the latest INIT-ACK, until a COOKIE-ACK says that it holds. */
  #offered = { tag: 0, sentTsn: 0 };
  #phase: Phase = "before";
  /** Packets that an association is still sent when it has ended. */
  #leftAfter = 5;

  private constructor(viewer: RawViewer) {
    this.#viewer = viewer;
  }

  /** Joins, and goes as far as one of {@link PHASES}. */
  static async join(server: TestServer, random: Random): Promise<Talker> {
    const options = { session: "main", certificate: CERTIFICATE };
    const talker = new Talker(await RawViewer.join(`http://${server.host}`, options));
    const phase = random.pick(PHASES);
    if (phase !== "before") await talker.#reach(phase);
    return talker;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Whether another one should take its place. */
  isDone(random: Random): boolean {
    return this.#leftAfter === 0 || random.oneIn(4 * LIFE_PACKETS);
  }

  /** Sends one packet. @returns The phase that it came in. */
  async feed(random: Random): Promise<Phase> {
    this.#listen();
    const phase = this.#phase;
    if (phase === "after") this.#leftAfter--;
    await this.#viewer.sendData(hostilePacket(random, this.#known));
    if (random.oneIn(5)) this.#known = { ...this.#known, tsn: (this.#known.tsn + 1) >>> 0 };
    return phase;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#viewer[Symbol.asyncDispose]();
  }

  async #reach(phase: "in" | "with_channel"): Promise<void> {
    const comesTo = (wanted: Phase) => () => {
      this.#listen();
      return this.#phase === wanted;
    };
    await this.#viewer.sendData(packet(0, init()));
    await this.#viewer.until(comesTo("in"), "for an INIT-ACK");
    if (phase === "in") return;
    const { tag } = this.#offered;
    await this.#viewer.sendData(packet(tag, chunk(10, this.#known.cookie)));
    await this.#viewer.until(comesTo("with_channel"), "for a COOKIE-ACK");
    const open = data({ tsn: 1, ppid: 50, payload: dcepOpen("pinhole") });
    await this.#viewer.sendData(packet(tag, open));
    this.#known = { ...this.#known, tsn: 2 };
  }

  /** Learns from what has come. */
  #listen(): void {
    for (const bytes of this.#viewer.dataPackets.splice(0)) {
      const read = parsePacket(bytes);
      assert.ok(!("fault" in read), "the server made a packet that is broken");
      for (const each of read.chunks) this.#learn(each);
    }
  }

  #learn(each: Chunk): void {
    switch (each.kind) {
      case "init_ack": {
        const { tag, initialTsn } = each.terms;
        this.#offered = { tag, sentTsn: (initialTsn - 1) >>> 0 };
        const cookie = Uint8Array.from(each.cookie ?? []);
        this.#known = { ...this.#known, cookie };
        if (this.#phase === "before") this.#phase = "in";
        // Before there is an association, its tag is the one to go by.
        if (this.#phase === "in") this.#known = { ...this.#known, ...this.#offered };
        return;
      }
      case "cookie_ack":
        if (this.#phase === "in") this.#phase = "with_channel";
        this.#known = { ...this.#known, ...this.#offered };
        return;
      case "data":
        if (((each.tsn - this.#known.sentTsn) | 0) > 0) {
          this.#known = { ...this.#known, sentTsn: each.tsn };
        }
        return;
      case "abort":
      case "shutdown_complete":
        this.#phase = "after";
    }
  }
}

/** A server, and who talks to it. */
interface Served {
  readonly server: TestServer;
  readonly talkers: Talker[];
  /** What went wrong in the server by its own account. */
  readonly failures: unknown[];
  fed: number;
}

/** Reasons of drops that the packets have to reach in every round. */
const DROPS = ["malformed", "wrong_tag", "unknown_chunk", "unexpected_chunk", "after_end"] as const;

fuzz("SCTP: over real DTLS a server goes on serving, whatever viewers send", {
  seed: 41,
  inputs: REAL_INPUTS,
  perRound: REAL_INPUTS,
  async open(random): Promise<Served> {
    const failures: unknown[] = [];
    const log: Logger = {
      ...NULL_LOGGER,
      error: (event, fields) => void failures.push({ event, ...fields }),
      child: () => log,
    };
    // Few pictures: they cost more than all that viewers say.
    const config = { webrtc: { peers_per_port: TALKERS }, video: { fps: 2 } };
    const server = await startTestServer(config, { log });
    const talkers: Talker[] = [];
    while (talkers.length < TALKERS) talkers.push(await Talker.join(server, random));
    return { server, talkers, failures, fed: 0 };
  },
  async feed(served, random) {
    const { server, talkers, failures } = served;
    const at = random.below(talkers.length);
    if (talkers[at]?.isDone(random)) {
      await talkers[at][Symbol.asyncDispose]();
      talkers[at] = await Talker.join(server, random);
    }
    const phase = await talkers[at]?.feed(random);
    if (++served.fed % REAL_TURN === 0) await new Promise((resolve) => setTimeout(resolve));
    assert.deepEqual(failures, []);
    return phase ?? "none";
  },
  async close({ server, talkers, failures }) {
    for (const talker of talkers) await talker[Symbol.asyncDispose]();
    const another = await WeriftViewer.play(server.signallingUrl("main"));
    await another.receives(5);
    assert.equal(await server.metric("packets_dropped_total", { reason: "internal_error" }), 0);
    for (const reason of DROPS) {
      assert.ok(await server.metric("data_packets_dropped_total", { reason }) > 0, reason);
    }
    assert.deepEqual(failures, []);
    await another[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  },
  reaches: ["before", "in", "with_channel", "after"],
  growthBytesMax: 8_000_000,
});
