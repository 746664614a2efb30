import assert from "assert";
import type { LogFields, Logger } from "../../src/base/log.ts";
import { DataChannel } from "../../src/transport/sctp/data_channel.ts";
import { TRANSPORT_METRICS } from "../../src/transport/metrics.ts";
import type { PeerMessage } from "../../src/transport/peer_transport.ts";
import { type ChannelEvent, Channels } from "../../src/transport/sctp/channels.ts";
import type { AssociationEnd } from "../../src/transport/sctp/events.ts";
import { parsePacket } from "../../src/transport/sctp/parse_packet.ts";
import type { ChannelRequest } from "../../src/transport/sctp/dcep.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { RecordingMeter } from "../support/parts/recording_meter.ts";
import { Random } from "../support/random.ts";
import { chunk, data, init, packet } from "../support/attacks/sctp_attacker.ts";

const NAMED: ChannelRequest = {
  label: "pinhole",
  protocol: "",
  unordered: false,
  retransmissionsMax: undefined,
  lifetimeMs: undefined,
};

/** Keeps what is logged at `warn` and above. */
class RecordingLogger implements Logger {
  readonly events: { readonly event: string; readonly fields: LogFields | undefined }[] = [];

  debug(): void {}
  info(): void {}
  warn(event: string, fields?: LogFields): void {
    this.events.push({ event, fields });
  }
  error(event: string, fields?: LogFields): void {
    this.events.push({ event, fields });
  }
  child(): Logger {
    return this;
  }
}

/** A viewer's data channel, and its browser, without a network. */
class Pair {
  readonly clock = new FakeClock();
  readonly meter = new RecordingMeter();
  readonly log = new RecordingLogger();
  readonly received: PeerMessage[] = [];
  readonly events: ChannelEvent[] = [];
  readonly browser: Channels;
  readonly channel: DataChannel;
  /** Packets of the server that the browser has yet to take. */
  readonly packets: Uint8Array[] = [];
  /** What the renderer's side does with a message. */
  onMessage: (data: PeerMessage) => void = (data) => this.received.push(data);

  constructor(
    { remoteMessageBytesMax = 65_536, remotePort = 5006 }: {
      remoteMessageBytesMax?: number;
      remotePort?: number;
    } = {},
  ) {
    const random = new Random(5);
    this.browser = new Channels({
      address: { sourcePort: remotePort, destinationPort: 5000 },
      random: (bytes) => random.bytes(bytes),
    });
    this.channel = new DataChannel({
      remotePort,
      remoteMessageBytesMax,
      clock: this.clock,
      meter: this.meter,
      log: this.log,
      send: (packet) => this.packets.push(packet),
      onMessage: (data) => this.onMessage(data),
    });
  }

  /** One whose browser has begun. */
  static connected(options: { remoteMessageBytesMax?: number } = {}): Pair {
    const pair = new Pair(options);
    pair.channel.start();
    pair.browser.connect(pair.clock.now());
    pair.exchange();
    return pair;
  }

  /** One whose browser has opened `pinhole`. */
  static open(options: { remoteMessageBytesMax?: number } = {}): Pair {
    const pair = Pair.connected(options);
    pair.opens(0);
    return pair;
  }

  /** The browser opens a channel on a stream. */
  opens(stream: number, label = "pinhole"): void {
    assert.ok(this.browser.open(stream, { ...NAMED, label }, this.clock.now()));
    this.exchange();
  }

  /** Carries packets to and fro until there are none. */
  exchange(): void {
    for (;;) {
      const toServer = this.browser.takePackets();
      const toBrowser = this.packets.splice(0);
      if (toServer.length + toBrowser.length === 0) break;
      for (const packet of toServer) this.channel.receive(packet);
      for (const packet of toBrowser) this.browser.receive(packet, this.clock.now());
    }
    this.events.push(...this.browser.takeEvents());
  }

  /** How often the association ended for a reason. */
  ended(reason: Exclude<AssociationEnd, "closed">): number {
    return this.meter.value("data_channels_ended_total", { reason });
  }

  /** What the browser got. */
  get answers(): (string | Uint8Array)[] {
    return this.events.flatMap((event) => event.kind === "message" ? [event.data] : []);
  }

  /** Streams that were closed for the browser. */
  get closed(): number[] {
    return this.events.flatMap((event) => event.kind === "closed" ? [event.stream] : []);
  }
}

Deno.test("DataChannel: messages of both kinds go both ways, and empty ones to nobody", () => {
  const pair = Pair.open();
  const bytes = Uint8Array.of(1, 2, 3);
  for (const message of ["Grüß Gott", "", bytes, new Uint8Array(0), "\ufeffmark"]) {
    assert.ok(pair.browser.send(0, message, pair.clock.now()));
    assert.ok(pair.channel.send(message));
  }
  bytes.fill(9);
  pair.exchange();
  assert.deepEqual(pair.received, ["Grüß Gott", Uint8Array.of(1, 2, 3), "\ufeffmark"]);
  const sent = ["Grüß Gott", "", Uint8Array.of(1, 2, 3), new Uint8Array(0), "\ufeffmark"];
  assert.deepEqual(pair.answers, sent);
  pair.channel.close();
});

Deno.test("DataChannel: nothing is sent without an open channel, or longer than the browser takes", () => {
  const pair = Pair.connected({ remoteMessageBytesMax: 1_000 });
  assert.ok(!pair.channel.send("too early"));
  pair.opens(0);
  assert.ok(pair.channel.send("x".repeat(1_000)));
  assert.ok(!pair.channel.send("x".repeat(1_001)));
  assert.ok(!pair.channel.send("ß".repeat(501)));
  const unbounded = Pair.open({ remoteMessageBytesMax: Infinity });
  assert.ok(unbounded.channel.send(new Uint8Array(65_536)));
  assert.ok(!unbounded.channel.send(new Uint8Array(65_537)));
  pair.channel.close();
  unbounded.channel.close();
  assert.ok(!pair.channel.send("too late"));
});

Deno.test("DataChannel: channels of another name, and a second one, are closed", () => {
  const pair = Pair.open();
  pair.opens(2, "other");
  pair.opens(4);
  pair.opens(6, "");
  assert.deepEqual(pair.closed, [2, 4, 6]);
  assert.ok(pair.channel.send("still here"));
  assert.ok(pair.browser.send(0, "so am I", pair.clock.now()));
  pair.exchange();
  assert.deepEqual([pair.answers, pair.received], [["still here"], ["so am I"]]);
  pair.channel.close();
});

Deno.test("DataChannel: a page that closes its channel may open it again", () => {
  const pair = Pair.open();
  for (let turn = 0; turn < 3; turn++) {
    pair.browser.closeChannel(0, pair.clock.now());
    pair.exchange();
    assert.ok(!pair.channel.send("nobody there"));
    pair.opens(0);
    assert.ok(pair.channel.send(`turn ${turn}`));
    pair.exchange();
  }
  assert.deepEqual(pair.answers, ["turn 0", "turn 1", "turn 2"]);
  pair.channel.close();
});

Deno.test("DataChannel: begins by itself when the browser waits for it", async () => {
  const pair = new Pair();
  pair.channel.start();
  pair.exchange();
  assert.equal(pair.packets.length, 0);
  await pair.clock.advance(1_000);
  pair.exchange();
  assert.ok(pair.events.some(({ kind }) => kind === "connected"));
  pair.opens(1);
  assert.ok(pair.channel.send("hello"));
  pair.exchange();
  assert.deepEqual(pair.answers, ["hello"]);
  pair.channel.close();
});

Deno.test("DataChannel: a page that goes ends it, which is nothing to tell", () => {
  const pair = Pair.open();
  pair.browser.close();
  pair.exchange();
  assert.equal(pair.ended("aborted_by_viewer"), 1);
  assert.deepEqual(pair.log.events, []);
  assert.ok(!pair.channel.send("x"));
  assert.equal(pair.clock.pending, 1, "only that of its beginning");
  pair.channel.close();
});

Deno.test("DataChannel: what breaks the protocol ends it, and the log says so once", () => {
  const pair = new Pair({ remotePort: 5000 });
  pair.channel.receive(packet(0, init()));
  const [answer] = pair.packets.map((bytes) => parsePacket(bytes));
  assert.ok(answer !== undefined && !("fault" in answer));
  const [first] = answer.chunks;
  assert.ok(first?.kind === "init_ack");
  const { tag } = first.terms;
  pair.channel.receive(packet(tag, chunk(10, first.cookie)));
  pair.channel.receive(packet(tag, data({ tsn: 1, payload: [] })));
  for (let turn = 0; turn < 3; turn++) pair.channel.receive(packet(tag, chunk(6)));
  assert.equal(pair.ended("no_user_data"), 1);
  assert.deepEqual(pair.log.events, [
    { event: "data_channel_failed", fields: { reason: "no_user_data" } },
  ]);
  assert.equal(pair.meter.value("data_packets_dropped_total", { reason: "after_end" }), 3);
  assert.ok(!pair.channel.send("x"));
  assert.equal(pair.clock.pending, 0);
});

Deno.test("DataChannel: a listener that throws ends it, and not the process", () => {
  const pair = Pair.open();
  pair.onMessage = () => {
    throw new Error("boom");
  };
  assert.ok(pair.browser.send(0, "x", pair.clock.now()));
  pair.exchange();
  assert.deepEqual(pair.log.events, [{ event: "data_channel_broken", fields: { error: "boom" } }]);
  assert.ok(!pair.channel.send("x"));
  assert.equal(pair.clock.pending, 0, "a timer goes on");
});

Deno.test("DataChannel: close says so to the browser, and leaves no timer", () => {
  const pair = Pair.open();
  assert.ok(pair.channel.send("x"));
  pair.channel.close();
  pair.channel.close();
  pair.exchange();
  assert.ok(
    pair.events.some((event) => event.kind === "ended" && event.reason === "aborted_by_viewer"),
  );
  assert.equal(pair.clock.pending, 0);
  for (const reason of TRANSPORT_METRICS.data_channels_ended_total.labels.reason) {
    assert.equal(pair.ended(reason), 0);
  }
  const early = new Pair();
  early.channel.start();
  early.channel.close();
  assert.equal(early.clock.pending, 0);
});
