import assert from "assert";
import { type LogFields, NULL_LOGGER } from "../../src/base/log.ts";
import { NULL_METER } from "../../src/base/meter.ts";
import {
  addressKey,
  type MediaAddress,
  type MediaPortListener,
} from "../../src/ports/media_address.ts";
import type { MediaPort } from "../../src/ports/media_port.ts";
import { createIceCredentials, IceAgent } from "../../src/transport/ice/ice_agent.ts";
import { PathProbe } from "../../src/transport/ice/path_probe.ts";
import { type PortMember, PortMux } from "../../src/transport/port_mux.ts";
import {
  parseStun,
  type StunMessage,
  verifyFingerprint,
  verifyMessageIntegrity,
} from "../../src/transport/ice/stun.ts";
import { formatBindingRequest } from "../../src/transport/ice/stun_format.ts";
import { stunFingerprint, stunIntegrity } from "../../src/transport/ice/stun_wire.ts";
import {
  BROWSER,
  BROWSER_UFRAG,
  consentAnswer,
  isConsentRequest,
} from "../support/parts/checks.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import type { Random } from "../support/random.ts";
import { fuzz } from "./harness.ts";

/** What may go to an address that has not agreed, as that file says. */
const AMPLIFICATION_MAX = 3;
const UDP_HEADERS_BYTES = 28;
/** What an agent remembers of addresses, as its file says. */
const ADDRESSES_MAX = 8;
const HEADER_BYTES = 20;
const TYPES = [
  6,
  8,
  9,
  10,
  0x20,
  0x24,
  0x25,
  0x26,
  0x8022,
  0x8028,
  0x8029,
  0x802a,
  0x7fff,
  0,
  0xffff,
];

/** Counts what leaves, and the addresses that are held. */
class FuzzPort implements MediaPort {
  readonly port = 10_111;
  readonly takesUdp = true;
  readonly takesTcp = true;
  readonly sendsBy = "deno";
  readonly isBlocked = () => false;
  readonly held = new Set<string>();
  reply: { readonly packet: Uint8Array; readonly to: MediaAddress } | undefined;
  /** The latest request for consent. */
  asked: { readonly packet: Uint8Array; readonly to: MediaAddress } | undefined;
  /** Bytes that came from each address, and that were sent there, those of the headers included. */
  readonly traffic = new Map<string, { came: number; left: number }>();
  listener: MediaPortListener | undefined;

  listen(listener: MediaPortListener): void {
    this.listener = listener;
  }

  /** Has the port take a packet. */
  take(packet: Uint8Array, from: MediaAddress): void {
    this.#weigh(from).came += packet.length + UDP_HEADERS_BYTES;
    this.listener?.packet(packet, from);
    const { came, left } = this.#weigh(from);
    assert.ok(left <= AMPLIFICATION_MAX * came, `${left} bytes for ${came}`);
  }

  send(packet: Uint8Array, to: MediaAddress): boolean {
    this.#weigh(to).left += packet.length + UDP_HEADERS_BYTES;
    if (isConsentRequest(packet)) {
      this.asked = { packet, to };
      return true;
    }
    assert.equal(this.reply, undefined, "one answer for each request");
    this.reply = { packet, to };
    return true;
  }

  prove(address: MediaAddress): void {
    this.held.add(addressKey(address));
  }

  release(address: MediaAddress): void {
    this.held.delete(addressKey(address));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #weigh(address: MediaAddress): { came: number; left: number } {
    const key = addressKey(address);
    const traffic = this.traffic.get(key) ?? { came: 0, left: 0 };
    this.traffic.set(key, traffic);
    return traffic;
  }
}

class FuzzMember implements PortMember {
  readonly ice = new IceAgent({
    local: createIceCredentials(),
    ...BROWSER,
    nowMs: 0,
  });
  heardDtls = 0;

  pathValidated(): void {}

  receiveDtls(): "taken" {
    this.heardDtls++;
    return "taken";
  }

  receiveStrayDtls(): boolean {
    return false;
  }

  receiveRtcp(): "srtcp_forged" {
    return "srtcp_forged";
  }
}

interface Port {
  readonly port: FuzzPort;
  /** Defects that the port met and survived. */
  readonly failures: LogFields[];
  readonly clock: FakeClock;
  readonly members: readonly FuzzMember[];
  /** Fragments and passwords that somebody could know. */
  readonly credentials: readonly { readonly ufrag: string; readonly pwd: string }[];
  /** From where each member was shown an authentic check. */
  readonly proved: readonly Set<string>[];
}

function open(): Port {
  const port = new FuzzPort();
  const failures: LogFields[] = [];
  const log = {
    ...NULL_LOGGER,
    error: (_: string, fields: LogFields = {}) => failures.push(fields),
  };
  const clock = new FakeClock();
  const probe = new PathProbe([port.port], { clock });
  const mux = new PortMux(port, { clock, meter: NULL_METER, log, probe });
  const members = [1, 2, 3].map(() => new FuzzMember());
  for (const member of members) mux.add(member);
  const ports = probe.open().ports;
  const credentials = [
    ...members.map(({ ice }) => ice.local),
    ...ports.map(({ credentials }) => credentials),
    createIceCredentials(),
  ];
  const proved = members.map(() => new Set<string>());
  return { port, failures, clock, members, credentials, proved };
}

/** A check as a browser sends it, or nearly. */
function check(random: Random, { credentials }: Port): { packet: Uint8Array; pwd: string } {
  const { ufrag, pwd } = random.pick(credentials);
  const other = random.oneIn(6)
    ? random.pick(["", ":", "brw", "brws:", "\0", "x".repeat(600)])
    : "";
  const packet = formatBindingRequest({
    transactionId: random.bytes(12),
    key: pwd,
    username: `${ufrag}:${BROWSER_UFRAG}${other}`,
    priority: random.uint32(),
    role: random.oneIn(10) ? "controlled" : "controlling",
    tieBreaker: BigInt(random.uint32()),
    useCandidate: random.oneIn(3),
    ...(random.oneIn(20) ? { sizeBytes: 4 * random.below(380) } : {}),
  });
  return { packet, pwd };
}

/** Puts attributes in before the integrity, with any length, and signs again what comes out, with or without its CRC. */
function forge(random: Random, { packet, pwd }: { packet: Uint8Array; pwd: string }): Uint8Array {
  const bodyEnd = packet.length - 24 - 8;
  const extra = Array.from({ length: random.below(random.oneIn(20) ? 200 : 3) }, () => {
    const type = random.oneIn(3) ? random.below(0x1_0000) : random.pick(TYPES);
    const bytes = 4 * random.below(5);
    const length = random.oneIn(8) ? random.below(0x1_0000) : Math.max(0, bytes - random.below(4));
    return [type >>> 8, type & 0xff, length >>> 8, length & 0xff, ...random.bytes(bytes)];
  }).flat();
  const body = random.oneIn(3)
    ? random.mutate(packet.subarray(HEADER_BYTES, bodyEnd))
    : packet.subarray(HEADER_BYTES, bodyEnd);
  const padded = new Uint8Array(body.length + (-body.length & 3));
  padded.set(body);
  return sign(Uint8Array.of(...packet.subarray(0, HEADER_BYTES), ...padded, ...extra), pwd);
}

function sign(unsigned: Uint8Array, pwd: string): Uint8Array {
  const at = unsigned.length;
  const packet = new Uint8Array(at + 24 + 8);
  const view = new DataView(packet.buffer);
  packet.set(unsigned);
  view.setUint16(2, packet.length - HEADER_BYTES);
  view.setUint32(at, 0x0008_0014);
  packet.set(stunIntegrity(packet.subarray(0, at), pwd), at + 4);
  view.setUint32(at + 24, 0x8028_0004);
  view.setUint32(at + 28, stunFingerprint(packet.subarray(0, at + 24)));
  return packet;
}

function hostileDatagram(random: Random, state: Port): Uint8Array {
  if (random.oneIn(12)) return random.bytes(random.below(random.oneIn(20) ? 2_000 : 120));
  if (random.oneIn(6)) return hostileResponse(random, state);
  const authentic = check(random, state);
  switch (random.below(4)) {
    case 0:
      return authentic.packet;
    case 1:
      return random.mutate(authentic.packet);
    default:
      return forge(random, authentic);
  }
}

/** What answers no request, or one that was sent elsewhere, or has other keys; never what the browser would answer. */
function hostileResponse(random: Random, state: Port): Uint8Array {
  const { port, members } = state;
  const asked = port.asked?.packet ?? check(random, state).packet;
  const password = random.pick(["", "x".repeat(22), members[0]?.ice.local.pwd ?? ""]);
  const answer = consentAnswer(asked, { password });
  if (random.oneIn(3)) answer[1] = 0x11;
  return random.oneIn(2) ? answer : random.mutate(answer);
}

/** Browsers stay at the first few addresses; strangers come from everywhere. */
const ADDRESSES: readonly MediaAddress[] = Array.from({ length: 2_000 }, (_, at) => ({
  transport: at % 4 === 1 ? "tcp" : "udp",
  hostname: at % 7 === 3 ? `2001:db8::${at}` : "127.0.0.1",
  port: 40_000 + at,
}));

function source(random: Random): MediaAddress {
  return random.pick(random.oneIn(2) ? ADDRESSES : ADDRESSES.slice(0, 8));
}

/** An answer is right, proves that the server knew the password, and is no larger than what it answers. */
function assertReply(state: Port, request: { packet: Uint8Array; from: MediaAddress }): string {
  const reply = state.port.reply;
  if (reply === undefined) return "dropped";
  state.port.reply = undefined;
  assert.equal(reply.to, request.from);
  const asked = parsed(request.packet);
  const answer = parsed(reply.packet);
  assert.ok(verifyFingerprint(answer));
  assert.deepEqual(answer.transactionId, asked.transactionId);
  const { pwd } = state.credentials.find(({ ufrag }) => asked.username?.split(":")[0] === ufrag) ??
    {};
  assert.ok(pwd !== undefined && verifyMessageIntegrity(asked, pwd), "answered a stranger");
  assert.ok(verifyMessageIntegrity(answer, pwd));
  assert.ok(reply.packet.length <= request.packet.length + 32, "an answer amplifies");
  if (answer.messageClass === "success") {
    assert.equal(answer.xorMappedAddress?.port, request.from.port);
    const owner = state.members.findIndex(({ ice }) => ice.local.pwd === pwd);
    state.proved[owner]?.add(addressKey(request.from));
  }
  return answer.messageClass;
}

function parsed(packet: Uint8Array): StunMessage {
  const message = parseStun(packet);
  if ("invalid" in message) assert.fail(message.invalid);
  return message;
}

/** Nobody is sent to an address that did not prove itself, and few addresses are kept. */
function assertBounded({ port, members, proved }: Port): void {
  for (const [at, { ice }] of members.entries()) {
    assert.ok(ice.addresses.length <= ADDRESSES_MAX);
    if (ice.selected !== undefined) assert.ok(proved[at]?.has(addressKey(ice.selected)));
  }
  // One more than an agent remembers may wait for the next claim.
  const max = members.length * ADDRESSES_MAX + 1;
  assert.ok(port.held.size <= max, `${port.held.size} addresses are held`);
}

fuzz("PortMux: checks that are broken, forged or signed again move nobody and fill nothing", {
  seed: 5,
  inputs: 40_000,
  open,
  feed(state, random) {
    state.clock.stall(random.oneIn(1_000) ? 5_000 : random.below(3));
    const from = source(random);
    const packet = hostileDatagram(random, state);
    state.port.take(packet, from);
    assert.deepEqual(state.failures, []);
    const outcome = assertReply(state, { packet, from });
    if (from.transport === "tcp" && random.oneIn(3)) {
      state.port.held.delete(addressKey(from));
      state.port.listener?.disconnected(from);
    }
    assertBounded(state);
    return outcome;
  },
  close({ port, members }) {
    const hello = Uint8Array.of(22, 254, 253, ...new Uint8Array(20));
    // Noise may have looked like DTLS before.
    for (const member of members) member.heardDtls = 0;
    for (const from of ADDRESSES) port.listener?.packet(hello, from);
    for (const { heardDtls } of members) {
      assert.ok(heardDtls <= ADDRESSES_MAX, `${heardDtls} addresses belong to one viewer`);
    }
  },
  reaches: ["dropped", "success", "error"],
});
