import { createHash } from "node:crypto";
import type { IceAgent } from "../../../src/transport/ice/ice_agent.ts";
import { parseStun, type StunMessage } from "../../../src/transport/ice/stun.ts";
import {
  formatBindingRequest,
  formatBindingSuccess,
} from "../../../src/transport/ice/stun_format.ts";
import { stunFingerprint, stunIntegrity } from "../../../src/transport/ice/stun_wire.ts";

/** The username fragment of a browser in tests. */
export const BROWSER_UFRAG = "brws";
/** Its password. */
export const BROWSER_PWD = "browserbrowserbrowser0";
/** Both, as an agent takes them. */
export const BROWSER = { remoteUfrag: BROWSER_UFRAG, remotePwd: BROWSER_PWD } as const;

/** How a check departs from one that a browser sends on a pair that it has not nominated. */
export interface CheckOptions {
  readonly useCandidate?: boolean;
  readonly role?: "controlling" | "controlled";
  readonly username?: string;
  readonly password?: string;
  /** Makes another transaction id. Default 1. */
  readonly transaction?: number;
}

/** An ICE connectivity check as a browser sends it to an agent. */
export function checkPacket(agent: IceAgent, options: CheckOptions = {}): Uint8Array<ArrayBuffer> {
  const { local } = agent;
  return formatBindingRequest({
    transactionId: transactionId(options.transaction ?? 1),
    key: options.password ?? local.pwd,
    username: options.username ?? `${local.ufrag}:${BROWSER_UFRAG}`,
    priority: 1_853_817_087,
    role: options.role ?? "controlling",
    tieBreaker: 0x1234_5678_9abc_def0n,
    useCandidate: options.useCandidate ?? false,
  });
}

/** Whether a packet asks a browser for consent: nothing else that we send is a request. */
export function isConsentRequest(packet: Uint8Array): boolean {
  const message = parseStun(packet);
  return !("invalid" in message) && message.messageClass === "request";
}

/** What a browser answers to a request for consent. */
export function consentAnswer(
  request: Uint8Array,
  { password = BROWSER_PWD }: { password?: string } = {},
): Uint8Array<ArrayBuffer> {
  return formatBindingSuccess({
    transactionId: parseMessage(request).transactionId,
    key: password,
    mappedAddress: { hostname: "203.0.113.1", port: 10_111 },
  });
}

/** {@link checkPacket}, parsed. */
export function checkMessage(agent: IceAgent, options?: CheckOptions): StunMessage {
  return parseMessage(checkPacket(agent, options));
}

/** Parses what is a STUN message for sure. */
export function parseMessage(packet: Uint8Array): StunMessage {
  const message = parseStun(packet);
  if ("invalid" in message) throw new Error(`No STUN message: ${message.invalid}`);
  return message;
}

/** An authentic check with one more attribute, which is empty. */
export function checkWithAttribute(agent: IceAgent, type: number): Uint8Array<ArrayBuffer> {
  const message = checkMessage(agent);
  const covered = message.packet.subarray(0, message.messageIntegrityOffset);
  const packet = new Uint8Array(covered.length + 4 + 24 + 8);
  const view = new DataView(packet.buffer);
  packet.set(covered);
  view.setUint16(2, packet.length - 20);
  view.setUint16(covered.length, type);
  const integrityAt = covered.length + 4;
  view.setUint16(integrityAt, 0x0008);
  view.setUint16(integrityAt + 2, 20);
  packet.set(stunIntegrity(packet.subarray(0, integrityAt), agent.local.pwd), integrityAt + 4);
  const fingerprintAt = integrityAt + 24;
  view.setUint16(fingerprintAt, 0x8028);
  view.setUint16(fingerprintAt + 2, 4);
  view.setUint32(fingerprintAt + 4, stunFingerprint(packet.subarray(0, fingerprintAt)));
  return packet;
}

function transactionId(number: number): Uint8Array {
  return createHash("sha256").update(String(number)).digest().subarray(0, 12);
}
