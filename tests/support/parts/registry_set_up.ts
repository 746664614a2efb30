import assert from "assert";
import { NULL_LOGGER } from "../../../src/base/log.ts";
import { PortLeases } from "../../../src/ports/leases.ts";
import {
  ViewerError,
  type ViewerHandle,
  type ViewerListener,
  type ViewerNotice,
  type ViewerState,
} from "../../../src/session/session_api.ts";
import type { RoomLimits } from "../../../src/session/admission.ts";
import { type RegistryOptions, SessionRegistry } from "../../../src/session/registry.ts";
import { FakeClock, settle } from "./fake_clock.ts";
import { type FakePeer, FakePeers } from "./fake_peer.ts";
import { FakeEncoders, FakeRenderer, rawFrame } from "./fake_source.ts";
import { clipOf } from "../media/idle_clip.ts";
import { RecordingMeter } from "./recording_meter.ts";

/** A signalling connection that writes down what it hears. */
export class FakeListener implements ViewerListener {
  readonly states: ViewerState[] = [];
  readonly messages: string[] = [];
  readonly notices: ViewerNotice[] = [];
  /** Whether it has no room for messages. */
  isFull = false;
  /** Errors of all ends; `undefined` stands for an end without one. */
  readonly ends: (ViewerError | undefined)[] = [];

  state(state: ViewerState): void {
    this.states.push(state);
  }

  message(data: string): boolean {
    if (!this.isFull) this.messages.push(data);
    return !this.isFull;
  }

  notice(notice: ViewerNotice): void {
    this.notices.push(notice);
  }

  ended(error?: ViewerError): void {
    this.ends.push(error);
  }
}

/** A viewer that was let in. */
export interface Joined {
  readonly handle: ViewerHandle;
  readonly listener: FakeListener;
  readonly peer: FakePeer;
}

/** A registry on a clock that stands still, with everything around it. */
export class RegistrySetUp implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly meter: RecordingMeter = new RecordingMeter();
  readonly peers: FakePeers = new FakePeers();
  readonly renderer: FakeRenderer = new FakeRenderer();
  readonly encoders: FakeEncoders = new FakeEncoders();
  readonly leases: PortLeases;
  readonly registry: SessionRegistry;

  /** @param ports Ports with one place each. */
  constructor(
    { ports = 4, limits = {}, ...overrides }:
      & { ports?: number; limits?: Partial<RoomLimits> }
      & Partial<RegistryOptions> = {},
  ) {
    const numbers = Array.from({ length: ports }, (_, index) => 10_111 + index);
    this.leases = overrides.leases ?? new PortLeases(numbers, { placesPerPort: 1 });
    this.registry = new SessionRegistry({
      leases: this.leases,
      peers: this.peers,
      renderer: this.renderer,
      encoders: this.encoders,
      loadIdleClip: () => Promise.resolve(clipOf("card", { still: true, frameAt: rawFrame })),
      video: () => ({ width: 16, height: 16, fps: 10, bitrateKbps: 100 }),
      deadlines: () => ({ connectTimeoutMs: 10_000, idleTimeoutMs: 30_000 }),
      roomLimits: () => ({ sessionsMax: 0, viewersPerSession: 8, ...limits }),
      rateLimits: () => ({ floorKbps: 50, ceilingKbps: 100 }),
      publicAddresses: (port) =>
        Promise.resolve({ udp: { address: "203.0.113.7", port }, tcp: undefined }),
      clock: this.clock,
      meter: this.meter,
      log: NULL_LOGGER,
      ...overrides,
    });
  }

  /** Places that somebody holds. */
  get used(): number {
    return this.leases.use.reduce((sum, { used }) => sum + used, 0);
  }

  /** Offers without waiting for the answer. */
  offer(
    sessionId: string,
    { sdp = "h264", listener = new FakeListener(), params = {} }: {
      sdp?: string;
      listener?: FakeListener;
      params?: Record<string, unknown>;
    } = {},
  ): Promise<ViewerHandle> {
    const request = { sessionId, sdp, params, reachedHost: "198.51.100.1" };
    return this.registry.join(request, listener);
  }

  /** Lets one viewer in. */
  async join(sessionId: string, sdp?: "h264" | "vp8"): Promise<Joined> {
    const listener = new FakeListener();
    const handle = await this.offer(sessionId, { listener, ...(sdp === undefined ? {} : { sdp }) });
    const peer = this.peers.made.at(-1);
    if (peer === undefined) throw new Error("No connection was made");
    return { handle, listener, peer };
  }

  /** Lets one viewer in and ends its handshake. */
  async connect(sessionId: string, sdp?: "h264" | "vp8"): Promise<Joined> {
    const joined = await this.join(sessionId, sdp);
    joined.peer.heardAtMs = this.clock.now();
    joined.peer.listener.secured();
    await settle();
    return joined;
  }

  /** Moves the time on while these viewers keep sending. */
  async pass(ms: number, ...alive: Pick<Joined, "peer">[]): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      for (const { peer } of alive) peer.heardAtMs = this.clock.now();
      await this.clock.advance(Math.min(500, left));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.registry.close();
    await settle();
    // A source that is stuck is waited for only so long.
    if (this.clock.pending > 0) await this.clock.advance(4_000);
    await closed;
  }
}

/** The refusal that an offer got. */
export async function refusal(joining: Promise<unknown>): Promise<ViewerError> {
  const error = await joining.then(() => undefined, (error) => error);
  assert.ok(error instanceof ViewerError, "the offer was let in");
  return error;
}
