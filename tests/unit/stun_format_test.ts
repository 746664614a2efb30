import assert from "assert";
import {
  parseStun,
  type StunMessage,
  verifyFingerprint,
  verifyMessageIntegrity,
} from "../../src/transport/ice/stun.ts";
import {
  formatBindingError,
  formatBindingRequest,
  formatBindingSuccess,
} from "../../src/transport/ice/stun_format.ts";

const PASSWORD = "a-password-of-24-letters";
const TRANSACTION_ID = Uint8Array.fromHex("000102030405060708090a0b");
const REQUEST_OPTIONS = {
  transactionId: TRANSACTION_ID,
  username: "server12:browser1",
  key: PASSWORD,
  priority: 0x6e_7f_1e_ff,
  role: "controlling",
  tieBreaker: 0xfedc_ba98_7654_3210n,
  useCandidate: true,
} as const;

function parsed(packet: Uint8Array): StunMessage {
  const message = parseStun(packet);
  if ("invalid" in message) assert.fail(`invalid: ${message.invalid}`);
  return message;
}

Deno.test("formatBindingRequest: is parsed back and verified", () => {
  const message = parsed(formatBindingRequest(REQUEST_OPTIONS));
  assert.equal(message.messageClass, "request");
  assert.equal(message.method, 1);
  assert.deepEqual(message.transactionId, TRANSACTION_ID);
  assert.equal(message.username, REQUEST_OPTIONS.username);
  assert.equal(message.priority, REQUEST_OPTIONS.priority);
  assert.equal(message.iceControlling, REQUEST_OPTIONS.tieBreaker);
  assert.equal(message.iceControlled, undefined);
  assert.ok(message.useCandidate);
  assert.ok(verifyFingerprint(message));
  assert.ok(verifyMessageIntegrity(message, PASSWORD));
  assert.ok(!verifyMessageIntegrity(message, "another password"));
  const controlled = parsed(
    formatBindingRequest({ ...REQUEST_OPTIONS, role: "controlled", useCandidate: false }),
  );
  assert.equal(controlled.iceControlled, REQUEST_OPTIONS.tieBreaker);
  assert.ok(!controlled.useCandidate);
});

Deno.test("formatBindingSuccess: writes the addresses of RFC 5769 as its samples have them", () => {
  const samples = [
    { hostname: "192.0.2.1", attribute: "002000080001a147e112a643" },
    {
      hostname: "2001:db8:1234:5678:11:2233:4455:6677",
      attribute: "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9",
    },
  ];
  for (const { hostname, attribute } of samples) {
    const packet = formatBindingSuccess({
      transactionId: Uint8Array.fromHex("b7e7a701bc34d686fa87dfae"),
      mappedAddress: { hostname, port: 32_853 },
      key: PASSWORD,
    });
    assert.equal(packet.subarray(20, 20 + attribute.length / 2).toHex(), attribute);
    const message = parsed(packet);
    assert.equal(message.messageClass, "success");
    assert.ok(verifyFingerprint(message));
    assert.ok(verifyMessageIntegrity(message, PASSWORD));
  }
});

Deno.test("formatBindingSuccess: every spelling of an address comes back in its short form", () => {
  const spellings = [
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["fe80::1", "fe80::1"],
    ["fe80::a:b%eth0", "fe80::a:b"],
    ["1::", "1::"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::ffff:c000:207", "192.0.2.7"],
    ["::fffe:c000:207", "::fffe:c000:207"],
  ];
  for (const [hostname, expected] of spellings) {
    assert.ok(hostname !== undefined);
    const message = parsed(formatBindingSuccess({
      transactionId: TRANSACTION_ID,
      mappedAddress: { hostname, port: 65_535 },
      key: PASSWORD,
    }));
    assert.deepEqual(message.xorMappedAddress, { hostname: expected, port: 65_535 });
  }
});

Deno.test("formatBindingSuccess: what is not an IP address is refused", () => {
  for (const hostname of ["", "localhost", "1.2.3", "1.2.3.256", "[::1]", "::1]/", "1::2::3"]) {
    const format = () =>
      formatBindingSuccess({
        transactionId: TRANSACTION_ID,
        mappedAddress: { hostname, port: 1 },
        key: PASSWORD,
      });
    assert.throws(format, TypeError, hostname);
  }
});

Deno.test("formatBindingError: carries code, reason and the attributes not understood", () => {
  const message = parsed(formatBindingError({
    transactionId: TRANSACTION_ID,
    code: 420,
    reason: "Unknown Attribute",
    unknownAttributes: [0x7fff, 0x0014, 0x0015],
    key: PASSWORD,
  }));
  assert.equal(message.messageClass, "error");
  assert.deepEqual(message.errorCode, { code: 420, reason: "Unknown Attribute" });
  assert.deepEqual(message.unknownAttributes, [0x7fff, 0x0014, 0x0015]);
  assert.ok(verifyFingerprint(message));
  assert.ok(verifyMessageIntegrity(message, PASSWORD));
});

Deno.test("formatBindingError: without a key there is no MESSAGE-INTEGRITY", () => {
  const options = { transactionId: TRANSACTION_ID, reason: "" };
  const message = parsed(formatBindingError({ ...options, code: 401 }));
  assert.deepEqual(message.errorCode, { code: 401, reason: "" });
  assert.equal(message.messageIntegrityOffset, undefined);
  assert.ok(!verifyMessageIntegrity(message, PASSWORD));
  assert.ok(verifyFingerprint(message));
  for (const code of [299, 700, NaN]) {
    assert.throws(() => formatBindingError({ ...options, code }), RangeError);
  }
});

Deno.test("formatBindingRequest: a transaction id of another size is refused", () => {
  const transactionId = new Uint8Array(11);
  assert.throws(() => formatBindingRequest({ ...REQUEST_OPTIONS, transactionId }), RangeError);
});

Deno.test("verifyMessageIntegrity: a change of any bit it covers is found", () => {
  const packet = formatBindingRequest(REQUEST_OPTIONS);
  const end = parsed(packet).messageIntegrityOffset;
  assert.ok(end !== undefined);
  for (let index = 0; index < end + 24; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = packet.slice();
      changed[index] = (changed[index] ?? 0) ^ (1 << bit);
      const message = parseStun(changed);
      if (!("invalid" in message)) {
        assert.ok(
          !verifyMessageIntegrity(message, PASSWORD),
          `byte ${index}, bit ${bit}`,
        );
        assert.ok(!verifyFingerprint(message), `byte ${index}, bit ${bit}`);
      }
    }
  }
});
