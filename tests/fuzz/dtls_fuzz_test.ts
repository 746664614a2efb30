import assert from "assert";
import { splitDtlsRecords } from "../../src/transport/dtls_records.ts";
import {
  createServerCertificate,
  SecureChannel,
  SecureChannelError,
  type SecureMedia,
} from "../../src/transport/secure_channel.ts";
import { createSrtcpSender } from "../../src/transport/srtcp.ts";
import { plainRecord, TestDtlsClient } from "../support/dtls_client.ts";
import type { Random } from "../support/random.ts";
import { fuzz } from "./harness.ts";

const server = await createServerCertificate();
const browser = await createServerCertificate();
const REPORT = Uint8Array.of(0x80, 201, 0, 1, 1, 2, 3, 4);
const CONTENTS = [20, 21, 22, 23, 24, 25, 0, 63] as const;
const MESSAGES = [0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 20, 24, 99] as const;
/** A Finished that comes again is answered again, as often as it fits into the 32 KiB of one viewer's handshake. */
const ANSWERS_MAX = 600;

/** werift waits for a message's predecessors for up to 4.5 s, and nobody can tell it not to. */
const WAITING_MS = 5_000;

interface Serving {
  readonly channel: SecureChannel;
  readonly established: Promise<SecureMedia | SecureChannelError>;
  /** Datagrams of the server. */
  readonly answers: { count: number };
}

interface Shaking extends Serving {
  readonly client: TestDtlsClient;
}

/** A channel that waits for its client. */
function serve(hear: (packet: Uint8Array) => void): Serving {
  const answers = { count: 0 };
  const channel = new SecureChannel({
    certificate: server,
    remoteFingerprints: [browser.fingerprint],
    send: (packet) => {
      answers.count++;
      hear(packet);
    },
  });
  const established = channel.establish().catch((error) => {
    assert.ok(error instanceof SecureChannelError, String(error));
    return error;
  });
  return { channel, established, answers };
}

/** A channel and its client. */
function shake(): Shaking {
  const serving = serve((packet) => client.receive(packet));
  const client = new TestDtlsClient(() => serving.channel, { certificate: browser });
  return { ...serving, client };
}

let recorded: Promise<readonly Uint8Array[]> | undefined;

/** The datagrams of a whole handshake as the client sent them; one for all. */
function recordedHandshake(): Promise<readonly Uint8Array[]> {
  return recorded ??= (async () => {
    const { channel, client, established } = shake();
    await client.connect();
    await established;
    channel.close();
    await client[Symbol.asyncDispose]();
    return client.sent;
  })();
}

/** A handshake message, or a piece of one, whose header hardly fits. */
function handshakeRecord(random: Random): Uint8Array {
  const body = random.bytes(random.below(random.oneIn(10) ? 1_200 : 60));
  const length = random.oneIn(2) ? body.length : random.pick([0, 1, 300, 16_384, 0xff_ffff]);
  const offset = random.oneIn(3) ? random.below(400) : 0;
  const uint24 = (value: number) => [value >>> 16, (value >>> 8) & 0xff, value & 0xff];
  const header = [random.pick(MESSAGES), ...uint24(length), 0, random.below(8)];
  return plainRecord(
    22,
    Uint8Array.of(...header, ...uint24(offset), ...uint24(body.length), ...body),
    { epoch: random.oneIn(6) ? 1 : 0, sequenceNumber: random.below(30) },
  );
}

/** A datagram: recorded, changed, or made of records that make little sense together. */
function hostileDatagram(random: Random, recorded: readonly Uint8Array[]): Uint8Array {
  const packet = random.pick(recorded);
  switch (random.below(6)) {
    case 0:
      return packet;
    case 1:
      return random.mutate(packet);
    case 2:
      return packet.subarray(0, random.below(packet.length));
    case 3: {
      const content = random.pick(CONTENTS);
      const epoch = random.pick([0, 0, 1, 2, 0xffff]);
      return plainRecord(content, random.bytes(random.below(60)), { epoch });
    }
    case 4: {
      const records = splitDtlsRecords(packet) ?? [];
      return Uint8Array.from(
        records.toSorted(() => random.below(3) - 1).flatMap(({ bytes }) => [...bytes]),
      );
    }
    default:
      return handshakeRecord(random);
  }
}

function takes(media: SecureMedia, { client }: Shaking): boolean {
  return media.unprotectRtcp(createSrtcpSender(client.keys().local).protect(REPORT)) !== undefined;
}

fuzz("SecureChannel: after the handshake no forged, repeated or broken record ends it", {
  seed: 10,
  async open() {
    const shaking = shake();
    await shaking.client.connect();
    const media = await shaking.established;
    assert.ok(!(media instanceof Error), String(media));
    let closed = 0;
    shaking.channel.onClosed(() => closed++);
    const ends = () => closed;
    return {
      ...shaking,
      media,
      ends,
      recorded: [...await recordedHandshake(), ...shaking.client.sent],
    };
  },
  feed({ channel, recorded, ends }, random) {
    const outcome = channel.receive(hostileDatagram(random, recorded));
    assert.equal(ends(), 0, "a forgery ended the channel");
    return outcome ?? "taken";
  },
  async close(state) {
    assert.ok(takes(state.media, state), "the keys have changed");
    assert.ok(state.answers.count <= ANSWERS_MAX, `${state.answers.count} answers`);
    state.channel.close();
    await state.client[Symbol.asyncDispose]();
  },
  reaches: ["taken", "dtls_unexpected", "dtls_malformed", "dtls_forged"],
});

fuzz("SecureChannel: before the handshake anything may come, and only a failure comes of it", {
  seed: 11,
  perRound: 1_000,
  open: async () => ({ ...serve(() => {}), recorded: await recordedHandshake() }),
  feed({ channel, answers, recorded }, random) {
    const outcome = channel.receive(hostileDatagram(random, recorded));
    assert.ok(answers.count <= ANSWERS_MAX, `${answers.count} answers`);
    return outcome ?? "taken";
  },
  async close({ channel, established }) {
    const settled = await Promise.race([
      established,
      new Promise((resolve) => setTimeout(resolve)),
    ]);
    assert.ok(settled === undefined || settled instanceof SecureChannelError, "a forgery connects");
    channel.close();
  },
  reaches: ["taken", "dtls_unexpected", "dtls_malformed", "dtls_flood"],
  growthBytesMax: 6_000_000,
  lingerMs: WAITING_MS,
});
