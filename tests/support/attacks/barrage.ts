import assert from "assert";
import { type AttackedTunnel, flood, pause } from "./attacked_tunnel.ts";
import { checkOf, garbage } from "./hostile_packets.ts";
import { HostileViewer, nonsense } from "./hostile_viewer.ts";
import { Random } from "../random.ts";
import { resetConnections } from "./reset_connections.ts";
import { Stranger } from "./stranger.ts";
import { rubbish } from "../clients/tcp_peer.ts";

const SEED = 6_062;
const SOURCES = 100;
/** Connections that are held to each port at one time, and how many are reset together. */
const HELD = 40;
const RESETS = 20;
const ROUND_MS = 200;

/** All kinds of attacks at one time, by a viewer and by strangers, whether or not the tunnel is there. */
export class Barrage implements AsyncDisposable {
  readonly #site: AttackedTunnel;
  readonly #hostile: HostileViewer;
  readonly #random = new Random(SEED);
  readonly #over = new AbortController();
  readonly #running: Promise<unknown>;

  private constructor(site: AttackedTunnel, hostile: HostileViewer) {
    this.#site = site;
    this.#hostile = hostile;
    this.#running = Promise.all([this.#insult(), this.#pelt(), this.#crowd()]);
  }

  /** Begins when the hostile viewer watches. */
  static async begin(site: AttackedTunnel): Promise<Barrage> {
    const hostile = await HostileViewer.join(site.signallingUrl());
    await hostile.associate();
    return new Barrage(site, hostile);
  }

  /** The viewer among them leaves its place, over a new WebSocket; its packets go on. */
  async leave(): Promise<void> {
    const { viewer } = this.#hostile;
    const { type } = await viewer.resume(this.#site.signallingUrl());
    assert.equal(type, "resumed");
    viewer.send({ type: "bye" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#running;
    await this.#hostile[Symbol.asyncDispose]();
  }

  /** What a viewer can send over DTLS, SRTCP, and beside them. */
  async #insult(): Promise<void> {
    const { viewer } = this.#hostile;
    const packets = nonsense(this.#hostile);
    await flood(this.#over, async (turn) => {
      const packet = packets[turn % packets.length];
      if (turn % 16 === 0) await viewer.pli();
      else if (packet !== undefined) await viewer.sendData(packet);
    });
  }

  /** Datagrams from many addresses. */
  async #pelt(): Promise<void> {
    using strangers = new DisposableStack();
    const sources = Array.from(
      { length: SOURCES },
      () => strangers.use(new Stranger(this.#site.media)),
    );
    const check = checkOf(this.#hostile.viewer, { password: "x".repeat(32), useCandidate: true });
    await flood(this.#over, async (turn) => {
      const packet = turn % 4 === 0 ? check : garbage(this.#random, check);
      await sources[turn % SOURCES]?.send(packet);
    });
  }

  /** Connections that are reset, and others that are held, to both ports. */
  async #crowd(): Promise<void> {
    const held: Deno.Conn[] = [];
    while (!this.#over.signal.aborted) {
      for (const at of [this.#site.http, this.#site.media]) {
        try {
          resetConnections(at.port, RESETS, at);
          const connection = await Deno.connect(at);
          held.push(connection);
          await connection.write(rubbish(this.#random).bytes);
        } catch {
          // The tunnel is away, or has ended the connection.
        }
      }
      for (const old of held.splice(0, held.length - 2 * HELD)) old.close();
      await pause(ROUND_MS);
    }
    for (const connection of held) connection.close();
  }
}
