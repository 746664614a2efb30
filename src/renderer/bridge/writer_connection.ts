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
import type { ByeCode, ServerMessage } from "./server_messages.ts";
import type { UnixConnection } from "./unix_socket.ts";
import { WriterStream } from "./writer_stream.ts";
import type { FrameMessage, Pace, WriterMessage } from "./writer_messages.ts";
import type { WriterPort } from "./writer_port.ts";

/** Somebody who wants to write, or does. */
export interface Writer {
  /** The program's name, as it says. */
  readonly name: string;
  /** Process id, as the kernel says. */
  readonly pid: number;
}

/** The bridge, as its connections see it. */
export interface BridgeContext {
  readonly pace: Pace;
  readonly clock: Clock;
  /** Lets a writer in and tells it of the sessions, unless there is a reason not to. */
  admit(
    connection: WriterConnection,
  ): { readonly code: ByeCode; readonly text: string } | undefined;
  /** A session by its number; `"closed"` for one that there was, `undefined` for one that there never was. */
  session(number: number): BridgeSession | "closed" | undefined;
  /** @throws {BridgeViolation} When too many rings were asked for. */
  makeRing(slots: { bytes: number; count: number }, owner: RingOwner): void;
  /** A writer was not let in. */
  refused(writer: Writer, code: ByeCode, reason: string): void;
  /** A writer says why it cannot begin. */
  failed(writer: Writer, failure: { readonly code: string; readonly text: string }): void;
  /** The connection is over. `violation` says what the writer did, where that is why. */
  left(connection: WriterConnection, violation: string | undefined): void;
}

/** Who has asked for a ring. One of the first three functions is called, once. */
export interface RingOwner {
  /** Here is the ring; the owner retires it. */
  readonly onMade: (ring: Ring) => void;
  /** There is no memory for another ring: the former one stays. */
  readonly onKept: () => void;
  readonly onFailed: (error: unknown) => void;
  /** See {@link Ring}. */
  readonly onReleased: (ring: Ring, slot: number) => void;
  /** The ring's file was made shorter. */
  readonly onShort: () => void;
  /** The ring that the owner has. */
  readonly former: Ring | undefined;
  /** Whether the owner is gone, and needs no ring any more. */
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
    // A writer that the server starts itself says hello when its library is open, which may take minutes.
    this.#cancelTimeout = bridge.pace === "server" ? () => {} : bridge.clock.after(
      HELLO_TIMEOUT_MS,
      () => this.#stream.violate(`it sent no hello within ${HELLO_TIMEOUT_MS / 1000} s`),
    );
  }

  get name(): string {
    return this.#name;
  }

  /** The ring that it writes into. */
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

  /** Says why and disconnects. Idempotent. */
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
      onShort: () => this.#stream.violate("the file of the ring was made shorter"),
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
      // Of pictures that a writer sends as it likes some are dropped, and then the others cannot be decoded.
      throw new BridgeViolation("it sent an access unit, which only a library may send");
    }
    const session = this.#session(message.session);
    const taken = takeFrame(this.#ring, message);
    if (session === undefined) taken.slot.release();
    else session.takeFrame(taken);
  }

  /** @returns `undefined` for a session that has been closed: its writer may not know yet. */
  #session(number: number): BridgeSession | undefined {
    const session = this.#bridge.session(number);
    if (session === undefined) throw new BridgeViolation(`session ${number} does not exist`);
    return session === "closed" ? undefined : session;
  }

  #onOver(violation: string | undefined): void {
    this.#over = true;
    this.#cancelTimeout();
    // Pictures that wait in the ring are dropped first: they would be read.
    this.#bridge.left(this, violation);
    this.#ring?.retire();
  }
}

/** Messages about a session that need nothing but the session. */
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
