import assert from "assert";
import { createHash } from "node:crypto";
import {
  parseStun,
  type StunMessage,
  verifyFingerprint,
  verifyMessageIntegrity,
} from "../../src/transport/ice/stun.ts";
import { Random } from "../support/random.ts";

/** RFC 5769 §2.1–2.3. */
const PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt";
const SAMPLE_REQUEST = bytesOf(`
  00010058 2112a442 b7e7a701bc34d686fa87dfae
  80220010 5354554e207465737420636c69656e74
  00240004 6e0001ff
  80290008 932ff9b151263b36
  00060009 6576746a3a68367659 202020
  00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
  80280004 e57a3bcf`);
const SAMPLE_IPV4_RESPONSE = bytesOf(`
  0101003c 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f72 20
  00200008 0001a147e112a643
  00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
  80280004 c07d4c96`);
const SAMPLE_IPV6_RESPONSE = bytesOf(`
  01010048 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f72 20
  00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
  00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004 c8fb0b4c`);
/** RFC 5769 §2.4. */
const SAMPLE_LONG_TERM_REQUEST = bytesOf(`
  00010060 2112a442 78ad3433c6ad72c029da412e
  00060012 e3839ee38388e383aae38383e382afe382b9 0000
  0015001c 662f2f3439396b39353464364f4c33346f4c394653547679363473 41
  0014000b 6578616d706c652e6f7267 00
  00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666`);

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(hex.split(/\s+/).join(""));
}

function parsed(packet: Uint8Array): StunMessage {
  const message = parseStun(packet);
  if ("invalid" in message) assert.fail(`invalid: ${message.invalid}`);
  return message;
}

function reasonOf(packet: Uint8Array): string {
  const message = parseStun(packet);
  return "invalid" in message ? message.invalid : "valid";
}

/** A Binding request of these attributes, in hex. */
function requestOf(...attributes: string[]): Uint8Array<ArrayBuffer> {
  const body = bytesOf(attributes.join(" "));
  const packet = new Uint8Array(20 + body.length);
  packet.set(bytesOf("0001 0000 2112a442"));
  packet[2] = body.length >>> 8;
  packet[3] = body.length;
  packet.set(body, 20);
  return packet;
}

Deno.test("parseStun: RFC 5769 sample request", () => {
  const message = parsed(SAMPLE_REQUEST);
  assert.equal(message.messageClass, "request");
  assert.equal(message.method, 1);
  assert.deepEqual(message.transactionId, bytesOf("b7e7a701bc34d686fa87dfae"));
  assert.equal(message.software, "STUN test client");
  assert.equal(message.priority, 0x6e0001ff);
  assert.equal(message.iceControlled, 0x932ff9b151263b36n);
  assert.equal(message.iceControlling, undefined);
  assert.equal(message.username, "evtj:h6vY");
  assert.ok(!message.useCandidate);
  assert.deepEqual(message.unknownRequired, []);
  assert.ok(verifyFingerprint(message));
  assert.ok(verifyMessageIntegrity(message, PASSWORD));
  assert.ok(verifyMessageIntegrity(message, new TextEncoder().encode(PASSWORD)));
});

Deno.test("parseStun: RFC 5769 sample IPv4 response", () => {
  const message = parsed(SAMPLE_IPV4_RESPONSE);
  assert.equal(message.messageClass, "success");
  assert.equal(message.software, "test vector");
  assert.deepEqual(message.xorMappedAddress, { hostname: "192.0.2.1", port: 32853 });
  assert.ok(verifyFingerprint(message));
  assert.ok(verifyMessageIntegrity(message, PASSWORD));
});

Deno.test("parseStun: RFC 5769 sample IPv6 response", () => {
  const message = parsed(SAMPLE_IPV6_RESPONSE);
  assert.deepEqual(message.xorMappedAddress, {
    hostname: "2001:db8:1234:5678:11:2233:4455:6677",
    port: 32853,
  });
  assert.ok(verifyFingerprint(message));
  assert.ok(verifyMessageIntegrity(message, PASSWORD));
});

Deno.test("parseStun: RFC 5769 sample request with long-term authentication", () => {
  const message = parsed(SAMPLE_LONG_TERM_REQUEST);
  const username = "\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9";
  assert.equal(message.username, username);
  // NONCE and REALM belong to a mechanism that ICE does not use.
  assert.deepEqual(message.unknownRequired, [0x0015, 0x0014]);
  const key = createHash("md5").update(`${username}:example.org:TheMatrIX`).digest();
  assert.ok(verifyMessageIntegrity(message, key));
  assert.ok(!verifyFingerprint(message));
});

Deno.test("parseStun: each rule about the header has its reason", () => {
  assert.equal(reasonOf(SAMPLE_REQUEST.subarray(0, 19)), "too_short");
  assert.equal(reasonOf(SAMPLE_REQUEST.with(0, 0x40)), "not_stun");
  assert.equal(reasonOf(SAMPLE_REQUEST.with(0, 0x80)), "not_stun");
  assert.equal(reasonOf(SAMPLE_REQUEST.with(7, 0x43)), "bad_cookie");
  assert.equal(reasonOf(SAMPLE_REQUEST.with(3, 0x54)), "bad_length");
  assert.equal(reasonOf(SAMPLE_REQUEST.subarray(0, 104)), "bad_length");
  assert.equal(reasonOf(Uint8Array.of(...requestOf().with(3, 2), 0, 0)), "bad_length");
  assert.equal(reasonOf(requestOf()), "valid");
});

Deno.test("parseStun: the class and the method are picked from their scattered bits", () => {
  const typeOf = (type: number) => {
    const { messageClass, method } = parsed(requestOf().with(0, type >>> 8).with(1, type & 0xff));
    return [messageClass, method];
  };
  assert.deepEqual(typeOf(0x0001), ["request", 1]);
  assert.deepEqual(typeOf(0x0011), ["indication", 1]);
  assert.deepEqual(typeOf(0x0101), ["success", 1]);
  assert.deepEqual(typeOf(0x0111), ["error", 1]);
  assert.deepEqual(typeOf(0x0003), ["request", 3]);
  assert.deepEqual(typeOf(0x3eef), ["request", 0xfff]);
  assert.deepEqual(typeOf(0x3fff), ["error", 0xfff]);
});

Deno.test("parseStun: values of the wrong size or outside of the packet are refused", () => {
  const malformed = [
    "00240003 01020300", // PRIORITY of 3 bytes
    "00240008 0102030405060708",
    "00250004 00000000", // USE-CANDIDATE with a value
    "80290004 00000000",
    "802a0004 00000000",
    "00080010 00000000000000000000000000000000", // MESSAGE-INTEGRITY of 16 bytes
    "80280008 0000000000000000",
    "00200008 0003a147e112a643", // address family 3
    "00200008 0002a147e112a643", // IPv6 in 4 bytes
    "00200004 0001a147",
    "00090002 00040000",
    "00090004 00000214", // error class 2
    "00090004 00000464", // error number 100
    "000a0003 00010000",
    "00060008 61626364", // USERNAME that ends behind the packet
    "8022ffff 61626364",
    `000601fd ${"61".repeat(509)} 000000`, // USERNAME of 509 bytes
    `802202fc ${"61".repeat(764)}`,
  ];
  for (const attribute of malformed) {
    assert.equal(reasonOf(requestOf(attribute)), "bad_attribute", attribute);
  }
  assert.equal(reasonOf(requestOf(`000601fc ${"61".repeat(508)}`)), "valid");
});

Deno.test("parseStun: of several attributes of one type the first counts", () => {
  const message = parsed(requestOf("00240004 00000001", "00240004 00000002"));
  assert.equal(message.priority, 1);
});

Deno.test("parseStun: lists the attributes that must be understood and are not", () => {
  const message = parsed(requestOf("7fff0000", "8fff0004 00000000", "00140001 61000000"));
  assert.deepEqual(message.unknownRequired, [0x7fff, 0x0014]);
});

Deno.test("parseStun: ignores all but FINGERPRINT behind MESSAGE-INTEGRITY", () => {
  const integrity = `00080014 ${"00".repeat(20)}`;
  const message = parsed(
    requestOf("00240004 00000001", integrity, "00250000", "7ffe0000", "00240001 00000000"),
  );
  assert.equal(message.priority, 1);
  assert.ok(!message.useCandidate);
  assert.deepEqual(message.unknownRequired, []);
  assert.equal(message.messageIntegrityOffset, 28);
  assert.equal(parsed(requestOf(integrity, "80280004 00000000")).fingerprintOffset, 44);
});

Deno.test("parseStun: nothing may follow FINGERPRINT", () => {
  assert.equal(reasonOf(requestOf("80280004 00000000", "00250000")), "after_fingerprint");
});

Deno.test("parseStun: text that is not UTF-8 stays text, a byte order mark included", () => {
  assert.equal(parsed(requestOf("00060002 c3280000")).username, "\ufffd(");
  assert.equal(parsed(requestOf("00060004 efbbbf61")).username, "\ufeffa");
});

Deno.test("parseStun: random and mutated packets never throw", () => {
  const random = new Random(8);
  const seeds = [
    SAMPLE_REQUEST,
    SAMPLE_IPV4_RESPONSE,
    SAMPLE_IPV6_RESPONSE,
    SAMPLE_LONG_TERM_REQUEST,
    requestOf("00250000", "802a0008 0102030405060708", "7fff0000"),
    requestOf("00090005 00000414 3f000000", "000a0004 7fff0014", "80280004 00000000"),
  ];
  let valid = 0;
  for (let round = 0; round < 40_000; round++) {
    const input = random.oneIn(5)
      ? random.bytes(random.below(100))
      : random.mutate(random.pick(seeds));
    // Most mutants would fail at the length alone.
    if (input.length >= 20 && random.oneIn(2)) input.set([0, 1, 0, (input.length - 20) & 0xff]);
    const message = parseStun(input);
    if ("invalid" in message) continue;
    valid += 1;
    verifyFingerprint(message);
    if (round % 8 === 0) verifyMessageIntegrity(message, PASSWORD);
  }
  assert.ok(valid > 1_000, `only ${valid} mutants reached the attributes`);
});

Deno.test("parseStun: an address of a family that there is not, whatever its length, is malformed", () => {
  for (const bytes of [0, 1, 2, 3, 4, 8, 20]) {
    const packet = new Uint8Array(24 + bytes + (-bytes & 3));
    packet.set([0, 1, 0, packet.length - 20, 0x21, 0x12, 0xa4, 0x42]);
    packet.set([0, 0x20, 0, bytes], 20);
    assert.deepEqual(parseStun(packet), { invalid: "bad_attribute" }, `${bytes} bytes`);
  }
});
