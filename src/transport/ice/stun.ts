import { timingSafeEqual } from "node:crypto";
import type { SocketAddress } from "../../base/ip.ts";
import { parseXorAddress } from "./stun_address.ts";
import {
  paddedBytes,
  STUN_ATTRIBUTE,
  STUN_ATTRIBUTE_HEADER_BYTES,
  STUN_HEADER_BYTES,
  STUN_INTEGRITY_BYTES,
  STUN_MAGIC_COOKIE,
  stunFingerprint,
  stunIntegrity,
  type StunKey,
} from "./stun_wire.ts";

/** RFC 8489 §14.3: fewer than 509. */
const USERNAME_BYTES_MAX = 508;
/** RFC 8489 §14.14 and §14.8: fewer than 128 characters, at most 763 bytes. */
const TEXT_BYTES_MAX = 763;
/** Unknown attributes from here on may be ignored. */
const COMPREHENSION_OPTIONAL = 0x8000;

const CLASSES = ["request", "indication", "success", "error"] as const;
// Not `fatal`, because hostile text must not cause an exception; invalid UTF-8 matches no username. A byte order mark
// is kept, so that it matches none either.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** STUN message classes. */
export type StunClass = typeof CLASSES[number];

/** Why a packet is not a STUN message; a short name for metrics. */
export type StunInvalidReason =
  | "too_short"
  | "not_stun"
  | "bad_cookie"
  | "bad_length"
  | "bad_attribute"
  | "after_fingerprint";

/** A well-formed STUN message, not yet verified. */
export interface StunMessage {
  readonly messageClass: StunClass;
  /** 1 (Binding) in all of ICE. */
  readonly method: number;
  /** The parsed packet, which must stay unchanged while the message is used. */
  readonly packet: Uint8Array;
  /** 12 bytes, a view into `packet`. */
  readonly transactionId: Uint8Array;
  /** `<fragment of the receiver>:<fragment of the sender>` in ICE (RFC 8445 §7.2.2). */
  readonly username: string | undefined;
  /** Priority of the sender's peer-reflexive candidate (RFC 8445 §7.1.1). */
  readonly priority: number | undefined;
  /** The controlling agent nominates this pair (RFC 8445 §7.1.2). */
  readonly useCandidate: boolean;
  /** Tie-breaker of a sender in the controlled role (RFC 8445 §7.1.3). */
  readonly iceControlled: bigint | undefined;
  /** Tie-breaker of a sender in the controlling role. */
  readonly iceControlling: bigint | undefined;
  readonly xorMappedAddress: SocketAddress | undefined;
  /** Code 300–699 and text of an error response. */
  readonly errorCode: { readonly code: number; readonly reason: string } | undefined;
  /** Attribute types that the sender of an error response did not know. */
  readonly unknownAttributes: readonly number[] | undefined;
  readonly software: string | undefined;
  /**
   * Types of unknown comprehension-required attributes: a request with any is answered with error 420, other messages
   * are dropped (RFC 8489 §6.3). At most one for each four bytes.
   */
  readonly unknownRequired: readonly number[];
  /** Index of the MESSAGE-INTEGRITY attribute in `packet`. */
  readonly messageIntegrityOffset: number | undefined;
  /** Index of the FINGERPRINT attribute in `packet`. */
  readonly fingerprintOffset: number | undefined;
}

type Draft = { -readonly [Key in keyof StunMessage]: StunMessage[Key] } & {
  unknownRequired: number[];
};

/**
 * Parses one datagram strictly as a STUN message (RFC 8489 §5, §14). Does not verify MESSAGE-INTEGRITY and
 * FINGERPRINT.
 *
 * Of several attributes of one type the first counts. After MESSAGE-INTEGRITY everything but FINGERPRINT is ignored,
 * and nothing may follow FINGERPRINT.
 *
 * @param packet The whole datagram; the message keeps it. See {@link StunMessage}.
 */
export function parseStun(
  packet: Uint8Array,
): StunMessage | { readonly invalid: StunInvalidReason } {
  if (packet.length < STUN_HEADER_BYTES) return { invalid: "too_short" };
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const type = view.getUint16(0);
  if (type >= 0x4000) return { invalid: "not_stun" };
  if (view.getUint32(4) !== STUN_MAGIC_COOKIE) return { invalid: "bad_cookie" };
  if (view.getUint16(2) !== packet.length - STUN_HEADER_BYTES || packet.length % 4 !== 0) {
    return { invalid: "bad_length" };
  }
  const message = draftOf(packet, type);
  let offset = STUN_HEADER_BYTES;
  while (offset < packet.length) {
    if (message.fingerprintOffset !== undefined) return { invalid: "after_fingerprint" };
    const attribute = view.getUint16(offset);
    const bytes = view.getUint16(offset + 2);
    const from = offset + STUN_ATTRIBUTE_HEADER_BYTES;
    if (from + bytes > packet.length) return { invalid: "bad_attribute" };
    const isRead = message.messageIntegrityOffset === undefined ||
      attribute === STUN_ATTRIBUTE.fingerprint;
    if (isRead && !readAttribute(message, { attribute, from, bytes })) {
      return { invalid: "bad_attribute" };
    }
    // Both are multiples of four, so if the value is inside the packet, its padding is too.
    offset = from + paddedBytes(bytes);
  }
  return message;
}

function draftOf(packet: Uint8Array, type: number): Draft {
  // RFC 8489 §5: the two bits of the class lie between the bits of the method.
  return {
    messageClass: CLASSES[((type >>> 7) & 2) | ((type >>> 4) & 1)] ?? "request",
    method: ((type >>> 2) & 0xf80) | ((type >>> 1) & 0x70) | (type & 0xf),
    packet,
    transactionId: packet.subarray(8, STUN_HEADER_BYTES),
    username: undefined,
    priority: undefined,
    useCandidate: false,
    iceControlled: undefined,
    iceControlling: undefined,
    xorMappedAddress: undefined,
    errorCode: undefined,
    unknownAttributes: undefined,
    software: undefined,
    unknownRequired: [],
    messageIntegrityOffset: undefined,
    fingerprintOffset: undefined,
  };
}

/** Parses an attribute. @returns Whether its value is well-formed. */
function readAttribute(
  message: Draft,
  { attribute, from, bytes }: { attribute: number; from: number; bytes: number },
): boolean {
  const { packet } = message;
  const value = new DataView(packet.buffer, packet.byteOffset + from, bytes);
  switch (attribute) {
    case STUN_ATTRIBUTE.username:
      if (bytes > USERNAME_BYTES_MAX) return false;
      message.username ??= UTF8.decode(value);
      return true;
    case STUN_ATTRIBUTE.priority:
      if (bytes !== 4) return false;
      message.priority ??= value.getUint32(0);
      return true;
    case STUN_ATTRIBUTE.useCandidate:
      message.useCandidate = true;
      return bytes === 0;
    case STUN_ATTRIBUTE.iceControlled:
      if (bytes !== 8) return false;
      message.iceControlled ??= value.getBigUint64(0);
      return true;
    case STUN_ATTRIBUTE.iceControlling:
      if (bytes !== 8) return false;
      message.iceControlling ??= value.getBigUint64(0);
      return true;
    case STUN_ATTRIBUTE.messageIntegrity:
      message.messageIntegrityOffset = from - STUN_ATTRIBUTE_HEADER_BYTES;
      return bytes === STUN_INTEGRITY_BYTES;
    case STUN_ATTRIBUTE.fingerprint:
      message.fingerprintOffset = from - STUN_ATTRIBUTE_HEADER_BYTES;
      return bytes === 4;
    case STUN_ATTRIBUTE.software:
      if (bytes > TEXT_BYTES_MAX) return false;
      message.software ??= UTF8.decode(value);
      return true;
    case STUN_ATTRIBUTE.xorMappedAddress:
    case STUN_ATTRIBUTE.errorCode:
    case STUN_ATTRIBUTE.unknownAttributes:
      return readResponseAttribute(message, { attribute, value });
    default:
      if (attribute < COMPREHENSION_OPTIONAL) message.unknownRequired.push(attribute);
      return true;
  }
}

function readResponseAttribute(
  message: Draft,
  { attribute, value }: { attribute: number; value: DataView<ArrayBufferLike> },
): boolean {
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (attribute === STUN_ATTRIBUTE.xorMappedAddress) {
    const mask = message.packet.subarray(4, STUN_HEADER_BYTES);
    const address = parseXorAddress(bytes, mask);
    message.xorMappedAddress ??= address;
    return address !== undefined;
  }
  if (attribute === STUN_ATTRIBUTE.unknownAttributes) {
    if (bytes.length % 2 !== 0) return false;
    message.unknownAttributes ??= Array.from(
      { length: bytes.length / 2 },
      (_, index) => value.getUint16(index * 2),
    );
    return true;
  }
  if (bytes.length < 4 || bytes.length > 4 + TEXT_BYTES_MAX) return false;
  // RFC 8489 §14.8: hundreds 3–6, then the rest below 100.
  const hundreds = value.getUint8(2) & 7;
  const rest = value.getUint8(3);
  if (hundreds < 3 || hundreds > 6 || rest > 99) return false;
  message.errorCode ??= { code: hundreds * 100 + rest, reason: UTF8.decode(bytes.subarray(4)) };
  return true;
}

/** Whether the message has a correct FINGERPRINT (RFC 8489 §14.7). */
export function verifyFingerprint(message: StunMessage): boolean {
  const { packet, fingerprintOffset } = message;
  if (fingerprintOffset === undefined) return false;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  return view.getUint32(fingerprintOffset + STUN_ATTRIBUTE_HEADER_BYTES) ===
    stunFingerprint(packet.subarray(0, fingerprintOffset));
}

/**
 * Whether the message has a correct MESSAGE-INTEGRITY for `key` (RFC 8489 §14.5), compared in constant time.
 *
 * @param key With ICE's short-term credentials, the password of the agent that answers, in both directions.
 */
export function verifyMessageIntegrity(message: StunMessage, key: StunKey): boolean {
  const { packet, messageIntegrityOffset } = message;
  if (messageIntegrityOffset === undefined) return false;
  const from = messageIntegrityOffset + STUN_ATTRIBUTE_HEADER_BYTES;
  return timingSafeEqual(
    packet.subarray(from, from + STUN_INTEGRITY_BYTES),
    stunIntegrity(packet.subarray(0, messageIntegrityOffset), key),
  );
}
