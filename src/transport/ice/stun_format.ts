import type { SocketAddress } from "../../base/ip.ts";
import { formatXorAddress } from "./stun_address.ts";
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

/** Message types: the method Binding with the bits of each class (RFC 8489 §5). */
const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const BINDING_ERROR = 0x0111;

const FINGERPRINT_BYTES = 4;
const TRANSACTION_ID_BYTES = 12;
const UTF8 = new TextEncoder();

/** Common options of responses and requests. */
interface MessageOptions {
  /** 12 bytes; copied. */
  readonly transactionId: Uint8Array;
  /** Key of the MESSAGE-INTEGRITY attribute: in ICE, the password of the agent that answers. */
  readonly key: StunKey;
  /**
   * Minimum size of the whole message, in bytes and a multiple of 4, reached with a PADDING attribute (RFC 5780 §7.6).
   * Default 0.
   */
  readonly sizeBytes?: number;
}

/** Options of {@link formatBindingSuccess}. */
export interface BindingSuccessOptions extends MessageOptions {
  /** Source address of the request. */
  readonly mappedAddress: SocketAddress;
}

/** Options of {@link formatBindingError}. */
export interface BindingErrorOptions extends Omit<MessageOptions, "key" | "sizeBytes"> {
  /** 300–699 (RFC 8489 §14.8, RFC 8445 §20.3). */
  readonly code: number;
  /** Text for people, at most 763 bytes as UTF-8. */
  readonly reason: string;
  /** For code 420: the unknown attribute types. */
  readonly unknownAttributes?: readonly number[];
  /** Missing if the request had no valid MESSAGE-INTEGRITY. */
  readonly key?: StunKey;
}

/** Options of {@link formatBindingRequest}. */
export interface BindingRequestOptions extends MessageOptions {
  /** `<fragment of the receiver>:<fragment of the sender>`. */
  readonly username: string;
  /** 32 bits. */
  readonly priority: number;
  readonly role: "controlling" | "controlled";
  /** 64 bits. */
  readonly tieBreaker: bigint;
  /** Nominates the pair. Default false. */
  readonly useCandidate?: boolean;
}

interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/**
 * Formats the success response to a Binding request (RFC 8445 §7.3.1.2), with MESSAGE-INTEGRITY and FINGERPRINT.
 * @throws {TypeError} When the mapped address is not an IP address.
 */
export function formatBindingSuccess(options: BindingSuccessOptions): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(STUN_HEADER_BYTES - 4);
  new DataView(mask.buffer).setUint32(0, STUN_MAGIC_COOKIE);
  mask.set(options.transactionId, 4);
  const value = formatXorAddress(options.mappedAddress, mask);
  return formatMessage(BINDING_SUCCESS, {
    ...options,
    attributes: [{ type: STUN_ATTRIBUTE.xorMappedAddress, value }],
  });
}

/**
 * Formats an error response to a Binding request (RFC 8489 §6.3.1.1), with FINGERPRINT, and with MESSAGE-INTEGRITY if
 * there is a key.
 * @throws {RangeError} When the code is not between 300 and 699.
 */
export function formatBindingError(options: BindingErrorOptions): Uint8Array<ArrayBuffer> {
  const { code, reason, unknownAttributes } = options;
  if (!(code >= 300 && code <= 699)) {
    throw new RangeError(`Cannot write STUN error code ${code}: it must be between 300 and 699`);
  }
  const attributes: Attribute[] = [{
    type: STUN_ATTRIBUTE.errorCode,
    value: Uint8Array.of(0, 0, Math.floor(code / 100), code % 100, ...UTF8.encode(reason)),
  }];
  if (unknownAttributes !== undefined) {
    attributes.push({
      type: STUN_ATTRIBUTE.unknownAttributes,
      value: Uint8Array.from(unknownAttributes.flatMap((type) => [type >>> 8, type])),
    });
  }
  return formatMessage(BINDING_ERROR, { ...options, attributes });
}

/** Formats a Binding request of an ICE agent (RFC 8445 §7.2.4), with MESSAGE-INTEGRITY and FINGERPRINT. */
export function formatBindingRequest(options: BindingRequestOptions): Uint8Array<ArrayBuffer> {
  const { username, priority, role, tieBreaker, useCandidate } = options;
  const priorityValue = new Uint8Array(4);
  new DataView(priorityValue.buffer).setUint32(0, priority);
  const tieBreakerValue = new Uint8Array(8);
  new DataView(tieBreakerValue.buffer).setBigUint64(0, tieBreaker);
  const attributes: Attribute[] = [
    { type: STUN_ATTRIBUTE.username, value: UTF8.encode(username) },
    { type: STUN_ATTRIBUTE.priority, value: priorityValue },
    {
      type: role === "controlling" ? STUN_ATTRIBUTE.iceControlling : STUN_ATTRIBUTE.iceControlled,
      value: tieBreakerValue,
    },
  ];
  if (useCandidate) {
    attributes.push({ type: STUN_ATTRIBUTE.useCandidate, value: new Uint8Array(0) });
  }
  return formatMessage(BINDING_REQUEST, { ...options, attributes });
}

function formatMessage(
  type: number,
  { transactionId, key, sizeBytes = 0, attributes: given }: {
    transactionId: Uint8Array;
    key?: StunKey;
    sizeBytes?: number;
    attributes: readonly Attribute[];
  },
): Uint8Array<ArrayBuffer> {
  if (transactionId.length !== TRANSACTION_ID_BYTES) {
    throw new RangeError(
      `Cannot write a STUN transaction id of ${transactionId.length} bytes: it has ${TRANSACTION_ID_BYTES}`,
    );
  }
  const tailBytes = STUN_ATTRIBUTE_HEADER_BYTES + FINGERPRINT_BYTES +
    (key === undefined ? 0 : STUN_ATTRIBUTE_HEADER_BYTES + STUN_INTEGRITY_BYTES);
  const attributes = padTo(sizeBytes - STUN_HEADER_BYTES - tailBytes, given);
  const bytes = STUN_HEADER_BYTES + sizeOf(attributes) + tailBytes;
  const packet = new Uint8Array(bytes);
  const view = new DataView(packet.buffer);
  view.setUint16(0, type);
  view.setUint16(2, bytes - STUN_HEADER_BYTES);
  view.setUint32(4, STUN_MAGIC_COOKIE);
  packet.set(transactionId, 8);
  let at = STUN_HEADER_BYTES;
  const append = ({ type, value }: Attribute) => {
    view.setUint16(at, type);
    view.setUint16(at + 2, value.length);
    packet.set(value, at + STUN_ATTRIBUTE_HEADER_BYTES);
    at += STUN_ATTRIBUTE_HEADER_BYTES + paddedBytes(value.length);
  };
  attributes.forEach(append);
  if (key !== undefined) {
    const value = stunIntegrity(packet.subarray(0, at), key);
    append({ type: STUN_ATTRIBUTE.messageIntegrity, value });
  }
  const fingerprint = new Uint8Array(FINGERPRINT_BYTES);
  new DataView(fingerprint.buffer).setUint32(0, stunFingerprint(packet.subarray(0, at)));
  append({ type: STUN_ATTRIBUTE.fingerprint, value: fingerprint });
  return packet;
}

function sizeOf(attributes: readonly Attribute[]): number {
  return attributes.reduce(
    (sum, { value }) => sum + STUN_ATTRIBUTE_HEADER_BYTES + paddedBytes(value.length),
    0,
  );
}

/** Appends padding to the attributes, up to a total of so many bytes. */
function padTo(bytes: number, attributes: readonly Attribute[]): readonly Attribute[] {
  const missing = bytes - sizeOf(attributes) - STUN_ATTRIBUTE_HEADER_BYTES;
  if (missing < 0) return attributes;
  return [...attributes, { type: STUN_ATTRIBUTE.padding, value: new Uint8Array(missing) }];
}
