import assert from "assert";
import type { Browser } from "playwright-core";
import type { SocketAddress } from "../../../src/base/ip.ts";
import { residentMib } from "../../bench/process_usage.ts";
import { eventually } from "../deadline.ts";
import { TunnelledServer } from "../frp/frp.ts";
import { PUBLIC_ADDRESS } from "../frp/frp_ports.ts";
import { TunnelViewer } from "../frp/frp_viewer.ts";
import type { ConfigValues } from "../servers/server_process.ts";
import type { SeenFrame } from "../browsers/video_reader.ts";
import { WeriftViewer } from "../clients/werift_viewer.ts";

const FPS = 20;
const CONFIG: ConfigValues = {
  "video.width": 320,
  "video.height": 180,
  "video.fps": FPS,
  "video.bitrate_kbps": 400,
  "webrtc.tcp": true,
  "webrtc.peers_per_port": 16,
  // Those who never shake hands are there as long as an attack, however slow the machine.
  "webrtc.connect_timeout_s": 60,
  "sessions.viewers_per_session": 16,
};

/** The session of the neighbour, and of those who attack it as viewers. */
const SESSION = "main";

/** How long an attack goes on, in pictures of the neighbour. */
const PICTURES = 40;

/** Pictures a second that are enough in any case. */
const RATE_ENOUGH = FPS / 2;

/** Of the rate without an attack: a busy machine has the attack, the tunnel and a browser to run beside the server. */
const RATE_SHARE_MIN = 1 / 3;

/** Descriptors that a busy runtime may have open for a moment beyond what it began with. */
const SPARE_DESCRIPTORS = 4;

/** Growth in MiB that is garbage yet to be collected. */
const GROWTH_MIB_MAX = 100;

/** Between two parcels of a flood: some 700 packets a second, which frp and a share of two cores can carry. */
const PARCEL = 8;
const PAUSE_MS = 12;

/** How many events of a kind there have to be at least when an attack is over. */
export type Evidence = readonly [
  metric: string,
  labels: Readonly<Record<string, string>>,
  min: number,
];

/** What somebody does to the server. */
export interface Attack {
  readonly name: string;
  /** What the server counts when it has come through the tunnel. */
  readonly evidence: readonly Evidence[];
  /** Goes on until the signal, or less long. */
  readonly run: (site: AttackedTunnel, signal: AbortSignal) => Promise<void>;
}

/** The server behind a real tunnel with one media port, and a browser that watches through it while others attack. */
export class AttackedTunnel implements AsyncDisposable {
  readonly tunnelled: TunnelledServer;
  readonly neighbour: TunnelViewer;

  private constructor(tunnelled: TunnelledServer, neighbour: TunnelViewer) {
    this.tunnelled = tunnelled;
    this.neighbour = neighbour;
  }

  /** Starts everything, and waits until the neighbour watches. */
  static async open(browser: Browser, config: ConfigValues = {}): Promise<AttackedTunnel> {
    const tunnelled = await TunnelledServer.start({ media: 1, config: { ...CONFIG, ...config } });
    try {
      const url = `${tunnelled.origin}/?session=${SESSION}`;
      return new AttackedTunnel(tunnelled, await TunnelViewer.open(browser, url));
    } catch (error) {
      await tunnelled[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The public media port, for UDP and for TCP. */
  get media(): SocketAddress {
    return { hostname: PUBLIC_ADDRESS, port: this.tunnelled.publicPortMin };
  }

  /** The public port for HTTP. */
  get http(): SocketAddress {
    return { hostname: PUBLIC_ADDRESS, port: Number(new URL(this.tunnelled.origin).port) };
  }

  /** Where viewers of the neighbour's session connect, through the tunnel. */
  signallingUrl(session = SESSION): string {
    return `${this.tunnelled.origin.replace("http", "ws")}/ws/${session}`;
  }

  /** Sum of a metric, asked beside the tunnel. */
  metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return this.tunnelled.server.metric(name, labels);
  }

  /** Attacks while the neighbour watches, and expects all else to go on as before: then, and afterwards. */
  async withstands({ evidence, run }: Attack): Promise<void> {
    const { server } = this.tunnelled;
    const counts = () => Promise.all(evidence.map(([name, labels]) => this.metric(name, labels)));
    const [before, memory, descriptors] = [
      await counts(),
      await residentMib(server.pid),
      countDescriptors(server.pid),
    ];
    await this.#keepsRate(run);
    const after = await counts();
    for (const [at, [name, labels, min]] of evidence.entries()) {
      const count = (after[at] ?? 0) - (before[at] ?? 0);
      assert.ok(count >= min, `${count} of ${name} ${JSON.stringify(labels)}, less than ${min}`);
    }
    await this.goesOn();
    const held = () => countDescriptors(server.pid);
    await eventually(() => held() <= descriptors + SPARE_DESCRIPTORS, {
      what: () => `for ${held()} descriptors to become ${descriptors}`,
    });
    const grown = await residentMib(server.pid) - memory;
    assert.ok(grown < GROWTH_MIB_MAX, `${grown} MiB more`);
  }

  /** The server answers, the neighbour watches on as who it was, and nothing went wrong inside. */
  async goesOn(): Promise<void> {
    const response = await fetch(`${this.tunnelled.origin}/healthz`);
    assert.equal(await response.text(), "ok\n");
    await this.neighbour.playsOn(10);
    assert.deepEqual([this.neighbour.offers, await this.neighbour.connections()], [1, 1]);
    assert.equal(await this.neighbour.state(), "connected");
    assert.equal(await this.metric("packets_dropped_total", { reason: "internal_error" }), 0);
    assert.equal(await this.metric("unexpected_errors_total"), 0);
    const { log } = this.tunnelled.server;
    assert.deepEqual(log.filter(({ level }) => level === "error"), []);
  }

  /** Somebody else comes in and watches, and all places but the neighbour's are free. */
  async letsIn(): Promise<void> {
    {
      await using another = await WeriftViewer.play(this.signallingUrl("another"));
      await another.receives(5);
    }
    const used = () => this.metric("port_places", { state: "used" });
    await eventually(async () => await used() === 1, { what: "for the places of the others" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.neighbour[Symbol.asyncDispose]();
    await this.tunnelled[Symbol.asyncDispose]();
  }

  async #keepsRate(run: Attack["run"]): Promise<void> {
    const over = new AbortController();
    const running = run(this, over.signal);
    const watched = this.neighbour.page.read(PICTURES).finally(() => over.abort());
    // Neither is left behind when the other one fails.
    await Promise.allSettled([watched, running]);
    const [frames] = await Promise.all([watched, running]);
    const rate = rateOf(frames);
    if (rate >= RATE_ENOUGH) return;
    const calm = rateOf(await this.neighbour.page.read(PICTURES));
    assert.ok(
      rate >= RATE_SHARE_MIN * calm,
      `The neighbour had ${rate} pictures a second, and ${calm} when it was over`,
    );
  }
}

/** Pictures a second. */
function rateOf(frames: readonly SeenFrame[]): number {
  const [first, last] = [frames.at(0), frames.at(-1)];
  assert.ok(first && last);
  return 1000 * (frames.length - 1) / (last.shownAtMs - first.shownAtMs);
}

/** Calls `send` until the signal, and so many times at least, as fast as a tunnel takes what is sent. */
export async function flood(
  { signal, least = 500 }: { signal: AbortSignal; least?: number },
  send: (turn: number) => void | Promise<void>,
): Promise<void> {
  for (let turn = 0; turn < least || !signal.aborted; turn++) {
    await send(turn);
    if (turn % PARCEL === PARCEL - 1) await pause(PAUSE_MS);
  }
}

/** Settles after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** How many descriptors a process has open. */
export function countDescriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}
