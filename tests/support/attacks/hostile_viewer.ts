import assert from "assert";
import type { Chunk } from "../../../src/transport/sctp/chunks.ts";
import { parsePacket } from "../../../src/transport/sctp/parse_packet.ts";
import { eventually } from "../deadline.ts";
import { chunk, data, dcepOpen, init, packet, sack } from "./sctp_attacker.ts";
import { WeriftViewer } from "../clients/werift_viewer.ts";

/** A viewer of the real server, over real DTLS, that speaks SCTP as it likes. */
export class HostileViewer implements AsyncDisposable {
  readonly viewer: WeriftViewer;
  /** The server's tag, and its last TSN before its first. */
  tag = 0;
  lastTsn = 0;
  tsn = 1;

  private constructor(viewer: WeriftViewer) {
    this.viewer = viewer;
  }

  /** Joins by a `ws://` address, and waits until it is connected. */
  static async join(url: string): Promise<HostileViewer> {
    const viewer = await WeriftViewer.play(url, { rawData: true });
    await viewer.state("connected");
    return new HostileViewer(viewer);
  }

  /** Shakes hands by SCTP, and opens the channel `pinhole`. */
  async associate(): Promise<void> {
    await this.viewer.sendData(packet(0, init()));
    const answer = await this.#answer("init_ack");
    assert.ok(answer.kind === "init_ack");
    this.tag = answer.terms.tag;
    this.lastTsn = (answer.terms.initialTsn - 1) >>> 0;
    await this.say(chunk(10, answer.cookie));
    await this.#answer("cookie_ack");
    await this.say(data({ tsn: this.tsn++, ppid: 50, payload: dcepOpen("pinhole") }));
    await this.#answer("data");
    await this.say(sack(this.lastTsn + 1));
  }

  /** Sends chunks under the server's tag. */
  say(...chunks: readonly Uint8Array[]): Promise<void> {
    return this.viewer.sendData(packet(this.tag, ...chunks));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.viewer[Symbol.asyncDispose]();
  }

  /** Waits for a chunk of the server. */
  async #answer(kind: Chunk["kind"]): Promise<Chunk> {
    const found = () =>
      this.viewer.dataPackets.flatMap((bytes) => {
        const read = parsePacket(bytes);
        assert.ok(!("fault" in read));
        return read.chunks;
      }).find((each) => each.kind === kind);
    await eventually(() => found() !== undefined, { what: `for ${kind}` });
    return found() ?? assert.fail();
  }
}

/** Packets that make no sense in the association of a viewer, one of each kind; it goes on without them. */
export function nonsense({ tag, lastTsn, tsn }: HostileViewer): Uint8Array[] {
  const wrong = packet(tag, sack(lastTsn + 1));
  wrong.set([1, 2, 3, 4], 8);
  return [
    Uint8Array.of(1, 2, 3, 4),
    wrong,
    packet(tag, chunk(0x3f, [1, 2, 3])),
    packet(tag, chunk(130, [0, 13, 0, 8, 0, 0])),
    packet(tag, chunk(4, [0, 0, 0, 0], { length: 0 })),
    packet(tag, chunk(130, [0, 13, 0, 0, 0, 0, 0, 0])),
    packet(
      tag,
      sack(lastTsn + 1, { gaps: Array.from({ length: 270 }, () => [1, 65_535] as const) }),
    ),
    packet(tag, data({ tsn, flags: "BEU", ppid: 99 })),
    packet(tag, data({ tsn: tsn + 1, flags: "BEU", ppid: 50, stream: 4, payload: [2] })),
  ];
}
