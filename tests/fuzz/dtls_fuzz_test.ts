import assert from "assert";
import { formatDtlsRecord, splitDtlsRecords } from "../../src/transport/dtls/dtls_records.ts";
import {
  SecureChannel,
  SecureChannelError,
  type SecureMedia,
} from "../../src/transport/dtls/secure_channel.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import { createSrtcpSender } from "../../src/transport/rtp/srtcp.ts";
import { plainRecord, TestDtlsClient } from "../support/clients/dtls_client.ts";
import {
  handshakeMessage,
  RawDtlsClient,
  type Step,
  STEPS,
} from "../support/clients/raw_dtls_client.ts";
import type { Random } from "../support/random.ts";
import { fuzz } from "./harness.ts";

const server = createServerCertificate();
const browser = createServerCertificate();
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
  // The first message that is broken ends its handshake, long before the limit on bytes; a channel costs 10 ms.
  inputs: 20_000,
  perRound: 50,
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
  reaches: ["taken", "dtls_unexpected", "dtls_malformed"],
  growthBytesMax: 6_000_000,
  lingerMs: WAITING_MS,
});

/** A channel with a client that goes to any state of its handshake. */
function rawShake(edit?: (step: string, body: Uint8Array) => Uint8Array) {
  const serving = serve((packet) => client.receive(packet));
  const client = new RawDtlsClient({
    certificate: browser,
    send: (packet) => void serving.channel.receive(packet),
    ...(edit === undefined ? {} : { edit }),
  });
  return { ...serving, client };
}

/** A handshake message as it may come under the keys, or without them. */
function hostileMessage(random: Random): Uint8Array {
  const body = random.bytes(random.below(random.oneIn(8) ? 1_200 : 40));
  const claims = [body.length, 0, 12, 300, 0xff_ffff];
  return handshakeMessage({
    type: random.pick(MESSAGES),
    sequence: random.below(9),
    body,
    length: random.pick(claims),
    offset: random.oneIn(4) ? random.below(400) : 0,
    pieceLength: random.oneIn(3) ? random.pick(claims) : body.length,
  });
}

/** A record of any type, under the keys where there are some. */
function hostileRecord(
  random: Random,
  { client, keyed }: { client: RawDtlsClient; keyed: boolean },
) {
  const contentType = random.oneIn(2) ? 22 : random.pick(CONTENTS);
  const content = contentType === 22 && !random.oneIn(4)
    ? hostileMessage(random)
    : random.bytes(random.below(random.oneIn(20) ? 1_100 : 5));
  const epoch = random.oneIn(8) ? random.pick([0, 1, 2, 0xffff]) : Number(keyed);
  const sequenceNumber = random.oneIn(10) ? random.pick([0, 2 ** 32, 2 ** 48 - 1]) : undefined;
  if (!keyed) return formatDtlsRecord({ contentType, epoch, sequenceNumber: 9 }, content);
  return client.seal(contentType, content, {
    epoch,
    ...(sequenceNumber === undefined ? {} : { sequenceNumber }),
  });
}

/** A handshake in some state, which goes on until something ends it. */
class HalfShaken {
  readonly #serving: Serving;
  readonly #client: RawDtlsClient;
  #next = 0;
  /** Whether the next message of the client is sent broken. */
  #edit: ((body: Uint8Array) => Uint8Array) | undefined;
  #end: "connects" | "refused" | undefined;

  constructor() {
    const { client, ...serving } = rawShake((_, body) => this.#edit?.(body) ?? body);
    this.#client = client;
    this.#serving = serving;
    void serving.established.then((settled) => {
      this.#end = settled instanceof SecureChannelError ? "refused" : "connects";
    });
  }

  /** The client's message that is due; one beyond the last when it has sent all. */
  get step(): Step | undefined {
    return STEPS[this.#next];
  }

  /** Goes on as it should, for some messages. */
  advance(messages: number): void {
    for (; messages > 0 && this.#mayTakeStep; messages--) this.#take();
  }

  /** Takes one hostile datagram. @returns What became of the handshake. */
  async take(random: Random): Promise<string> {
    const { channel, answers } = this.#serving;
    const state = this.step ?? "end";
    const answered = answers.count;
    if (random.oneIn(10) && this.#mayTakeStep) {
      this.#edit = (body) => random.mutate(body);
      this.#take();
      this.#edit = undefined;
    } else {
      const keyed = this.#client.isKeyed && random.oneIn(2);
      channel.receive(hostileRecord(random, { client: this.#client, keyed }));
    }
    assert.ok(answers.count - answered < 20, `${answers.count - answered} answers`);
    // How a handshake ends is told by promises that wait for one another.
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
    return this.#end === undefined ? "waits" : `${this.#end}_${state}`;
  }

  close(): void {
    this.#serving.channel.close();
  }

  /** A Finished needs keys, which a server that has not answered never gave. */
  get #mayTakeStep(): boolean {
    return this.step !== undefined && (this.step !== "finished" || this.#client.isKeyed);
  }

  #take(): void {
    const step = this.step;
    this.#next++;
    if (step !== undefined) this.#client.take(step);
  }
}

/** Hostile datagrams after which a handshake gives way to another one, where none of them has ended it. */
const SHAKE_DATAGRAMS = 40;

fuzz(
  "SecureChannel: in each state of a handshake any message is refused, and only that handshake",
  {
    seed: 12,
    // Each handshake that ends is another one with its keys: some milliseconds for every few of these.
    inputs: 6_000,
    perRound: 3_000,
    open: () => ({ shaken: new HalfShaken(), taken: 0 }),
    async feed(state, random) {
      if (state.taken === 0 || random.oneIn(12)) {
        state.shaken.advance(random.below(state.taken === 0 ? STEPS.length : 3));
      }
      const outcome = await state.shaken.take(random);
      if (outcome !== "waits" || ++state.taken === SHAKE_DATAGRAMS) {
        state.shaken.close();
        Object.assign(state, { shaken: new HalfShaken(), taken: 0 });
      }
      return outcome;
    },
    async close({ shaken }) {
      shaken.close();
      // A viewer that comes now connects as ever.
      const { channel, client, established } = rawShake();
      client.goTo();
      assert.ok(!(await established instanceof Error));
      channel.close();
      await new Promise((resolve) => setTimeout(resolve, 600));
    },
    reaches: ["waits", ...STEPS.map((step) => `refused_${step}`), "connects_end"],
    growthBytesMax: 4_000_000,
  },
);

fuzz("SecureChannel: under the right keys no record costs more than itself", {
  seed: 13,
  inputs: 20_000,
  perRound: 5_000,
  async open() {
    const shaken = rawShake();
    shaken.client.goTo();
    const media = await shaken.established;
    assert.ok(!(media instanceof Error), String(media));
    return shaken;
  },
  feed({ channel, client, answers }, random) {
    const verdict = channel.receive(hostileRecord(random, { client, keyed: true }));
    assert.ok(answers.count <= ANSWERS_MAX, `${answers.count} answers`);
    return verdict;
  },
  async close({ channel }) {
    channel.close();
    await new Promise((resolve) => setTimeout(resolve, 600));
  },
  reaches: ["newest", "dtls_unexpected", "dtls_replayed"],
  growthBytesMax: 4_000_000,
});
