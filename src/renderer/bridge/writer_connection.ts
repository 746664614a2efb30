import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import { FORMAT_H264 } from "../pixel_layout.ts";
import { RendererError } from "../renderer_error.ts";
import { BridgeViolation } from "./bridge_error.ts";
import type { BridgeSession } from "./bridge_session.ts";
import { takeFrame } from "./frame_reader.ts";
import {
  BRIDGE_VERSION,
  FORMER_WAIT_MS,
  HELLO_TIMEOUT_MS,
  RING_BYTES_MAX,
  SLOT_BYTES_MAX,
  SLOTS_MAX,
} from "./limits.ts";
import type { Ring, RingLayout } from "./ring.ts";
import type { ByeCode, ServerMessage, WriterPort } from "./server_messages.ts";
import type { UnixConnection } from "./unix_socket.ts";
import { WriterStream } from "./writer_stream.ts";
import type { FrameMessage, Pace, WriterMessage } from "./writer_messages.ts";

/** A connected writer, accepted or not. */
export interface Writer {
  /** Name of the program, from HELLO. */
  readonly name: string;
  /** Process id, from the kernel. */
  readonly pid: number;
}

/** The part of the bridge that its connections use. */
export interface BridgeContext {
  readonly pace: Pace;
  readonly clock: Clock;
  /** Accepts a writer and announces the sessions to it, or returns the reason for refusing it. */
  admit(
    connection: WriterConnection,
  ): { readonly code: ByeCode; readonly text: string } | undefined;
  /** A session by its number; `"closed"` if it has closed, `undefined` if it never existed. */
  session(number: number): BridgeSession | "closed" | undefined;
  /** @throws {BridgeViolation} When too many rings were requested. */
  makeRing(slots: { bytes: number; count: number }, owner: RingOwner): void;
  /** A writer was refused. */
  refused(writer: Writer, code: ByeCode, reason: string): void;
  /** A writer reports why it cannot start. */
  failed(writer: Writer, failure: { readonly code: string; readonly text: string }): void;
  /** The connection has ended. `violation` describes what the writer did, if that is the reason. */
  left(connection: WriterConnection, violation: string | undefined): void;
}

/** The requester of a ring. One of the first three functions is called, once. */
export interface RingOwner {
  /** The ring was created; the owner retires it. */
  readonly onMade: (ring: Ring) => void;
  /** There is no memory for another ring: the current one stays. */
  readonly onKept: () => void;
  readonly onFailed: (error: unknown) => void;
  /** See {@link Ring}. */
  readonly onReleased: (ring: Ring, slot: number) => void;
  /** The ring's file was truncated. */
  readonly onShort: () => void;
  /** The owner's current ring. */
  readonly former: Ring | undefined;
  /** Whether the owner is gone and needs no ring. */
  readonly isOver: () => boolean;
}

/** One connection to a bridge, from its first message to its end. */
export class WriterConnection implements WriterPort, Writer {
  readonly pid: number;
  readonly #bridge: BridgeContext;
  readonly #stream: WriterStream;
  #cancelTimeout: () => void;
  #state: "new" | "waiting" | "in" = "new";
  #name = "";
  #clockOffsetUs = 0;
  #ring: Ring | undefined;
  #makingRing = false;
  #over = false;

  constructor(connection: UnixConnection, bridge: BridgeContext) {
    this.pid = connection.peerPid;
    this.#bridge = bridge;
    this.#stream = new WriterStream({
      connection,
      clock: bridge.clock,
      onMessage: (message) => this.#onMessage(message),
      onOver: (violation) => this.#onOver(violation),
    });
    // A writer that the server started sends HELLO when its library is open, which may take minutes.
    this.#cancelTimeout = bridge.pace === "server" ? () => {} : bridge.clock.after(
      HELLO_TIMEOUT_MS,
      () => this.#stream.violate(`it sent no hello within ${HELLO_TIMEOUT_MS / 1000} s`),
    );
  }

  get name(): string {
    return this.#name;
  }

  /** The ring that the writer uses. */
  get ring(): RingLayout | undefined {
    return this.#ring?.layout;
  }

  get clockOffsetUs(): number {
    return this.#clockOffsetUs;
  }

  send(message: ServerMessage): void {
    this.#stream.send(message);
  }

  trySend(message: ServerMessage): boolean {
    return this.#stream.trySend(message);
  }

  /** Sends BYE with the reason and disconnects. Idempotent. */
  async end(code: ByeCode, text: string): Promise<void> {
    this.send({ type: "bye", code, text });
    await this.#stream.close();
  }

  #onMessage(message: WriterMessage): void {
    if (this.#state !== "in") return this.#onFirstMessage(message);
    switch (message.type) {
      case "hello":
      case "failed":
        throw new BridgeViolation(`it sent "${message.type}" after its hello`);
      case "ring":
        return this.#makeRing(message.slotBytes, message.slotCount);
      case "frame":
        return this.#takeFrame(message);
      case "ready":
      case "refused":
        if (this.#bridge.pace === "writer") {
          throw new BridgeViolation(`it sent "${message.type}", which the server did not request`);
        }
    }
    const session = this.#session(message.session);
    if (session !== undefined) tell(session, message);
  }

  #onFirstMessage(message: WriterMessage): void {
    if (this.#state === "waiting") {
      throw new BridgeViolation("it sent a message before the welcome");
    }
    this.#cancelTimeout();
    if (message.type === "failed") {
      this.#bridge.failed(this, message);
      return void this.#stream.close();
    }
    if (message.type !== "hello") {
      throw new BridgeViolation(`its first message is "${message.type}", not "hello"`);
    }
    const { version, writer, clockUs, pace } = message;
    if (version !== BRIDGE_VERSION) {
      return this.#refuse(
        writer,
        "version",
        `This server speaks version ${BRIDGE_VERSION} of the bridge, but the writer speaks version ${version}; ` +
          `use the pinhole_bridge.py of this server`,
      );
    }
    if (pace !== this.#bridge.pace) {
      return this.#refuse(
        writer,
        "not_expected",
        `This bridge does not accept this kind of writer`,
      );
    }
    this.#name = writer;
    this.#clockOffsetUs = this.#bridge.clock.now() * 1000 - clockUs;
    this.#enter({ mayWait: true });
  }

  #enter({ mayWait }: { mayWait: boolean }): void {
    const refusal = this.#bridge.admit(this);
    if (refusal === undefined) {
      this.#state = "in";
    } else if (refusal.code === "taken" && mayWait) {
      this.#state = "waiting";
      const again = () => this.#enter({ mayWait: false });
      this.#cancelTimeout = this.#bridge.clock.after(FORMER_WAIT_MS, again);
    } else {
      this.#refuse(this.#name, refusal.code, refusal.text);
    }
  }

  #refuse(name: string, code: ByeCode, text: string): void {
    this.#bridge.refused({ name, pid: this.pid }, code, text);
    void this.end(code, text);
  }

  #makeRing(bytes: number, count: number): void {
    if (this.#makingRing) throw new BridgeViolation("it requested a ring while one was being made");
    if (bytes === 0 || bytes > SLOT_BYTES_MAX || count === 0 || count > SLOTS_MAX) {
      throw new BridgeViolation(
        `it requested ${count} slots of ${bytes} bytes, not 1 to ${SLOTS_MAX} of 1 to ${SLOT_BYTES_MAX}`,
      );
    }
    if (bytes * count > RING_BYTES_MAX) {
      throw new BridgeViolation(
        `it requested a ring of ${bytes * count} bytes, more than ${RING_BYTES_MAX}`,
      );
    }
    this.#makingRing = true;
    this.#bridge.makeRing({ bytes, count }, {
      former: this.#ring,
      isOver: () => this.#over,
      onMade: (ring) => this.#useRing(ring),
      onKept: () => this.#keepRing(),
      onFailed: (error) => this.#refuse(this.name, "no_ring", errorText(error)),
      onReleased: (ring, slot) => {
        const { generation } = ring.layout;
        if (ring === this.#ring) this.send({ type: "release", generation, slot });
      },
      onShort: () => this.#stream.violate("the file of the ring was truncated"),
    });
  }

  #useRing(ring: Ring): void {
    this.#makingRing = false;
    if (this.#over) return ring.retire();
    this.#ring?.retire();
    this.#ring = ring;
    this.send({ type: "ring", ...ring.layout });
  }

  #keepRing(): void {
    this.#makingRing = false;
    if (this.#ring !== undefined) this.send({ type: "ring", ...this.#ring.layout });
  }

  #takeFrame(message: FrameMessage): void {
    if (this.#ring === undefined) {
      throw new BridgeViolation("a picture arrived before a ring was made");
    }
    if (message.format === FORMAT_H264 && this.#bridge.pace === "writer") {
      // Pictures of a self-paced writer may be dropped, and access units could then not be decoded.
      throw new BridgeViolation("it sent an access unit, which only a library may send");
    }
    const session = this.#session(message.session);
    const taken = takeFrame(this.#ring, message);
    if (session === undefined) taken.slot.release();
    else session.takeFrame(taken);
  }

  /** @returns `undefined` for a closed session, which its writer may not know yet. */
  #session(number: number): BridgeSession | undefined {
    const session = this.#bridge.session(number);
    if (session === undefined) throw new BridgeViolation(`session ${number} does not exist`);
    return session === "closed" ? undefined : session;
  }

  #onOver(violation: string | undefined): void {
    this.#over = true;
    this.#cancelTimeout();
    // First drop the waiting pictures: they would be read otherwise.
    this.#bridge.left(this, violation);
    this.#ring?.retire();
  }
}

/** Messages that only their session handles. */
type SessionMessage = Extract<
  WriterMessage,
  { type: "audio" | "idle" | "end" | "error" | "message" | "ready" | "refused" | "kept_back" }
>;

function tell(session: BridgeSession, message: SessionMessage): void {
  switch (message.type) {
    case "audio":
      return session.takeSound(message);
    case "kept_back":
      return session.dropSound(message.soundMs);
    case "idle":
      return session.takeIdle();
    case "end":
      return session.takeEnd();
    case "error":
      return session.takeFailure(message.call, message.text);
    case "message":
      return session.takeMessage(message.data);
    case "ready":
      return session.takeOpened(message);
    case "refused":
      return session.takeOpened(new RendererError("session_open_failed", message.text));
  }
}
