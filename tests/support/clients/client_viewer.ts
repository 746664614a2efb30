import { type ClientOffer, ClientProgram } from "./client_program.ts";
import type { ClientKind } from "./client_programs.ts";
import { eventually, within } from "../deadline.ts";
import type { ServerMessage } from "./werift_viewer.ts";

/** What is changed on the way between a client and the server. */
export interface Changes {
  readonly offer?: (sdp: string) => string;
  readonly answer?: (sdp: string) => string;
}

/** A viewer of the server with a client that is not ours, and signalling over a WebSocket by hand. */
export class ClientViewer implements AsyncDisposable {
  readonly program: ClientProgram;
  /** Messages of the server, in order. */
  readonly messages: ServerMessage[] = [];
  /** The latest offer and answer. */
  offerSdp = "";
  answerSdp = "";
  #socket: WebSocket | undefined;

  private constructor(kind: ClientKind) {
    this.program = new ClientProgram(kind);
  }

  /**
   * Connects to a `ws://` address, offers, and takes the answer over.
   * @throws {ClientRefusal} When the client refuses to offer, or refuses the answer.
   * @throws {Error} When the server refuses the offer.
   */
  static async join(
    kind: ClientKind,
    url: string,
    offer: ClientOffer = { video: 1, audio: 1 },
    changes: Changes = {},
  ): Promise<ClientViewer> {
    const viewer = new ClientViewer(kind);
    try {
      await viewer.#connect(url);
      await viewer.offer(offer, changes);
    } catch (error) {
      await viewer.closeSocket();
      viewer.program.kill();
      await viewer.program.close();
      throw error;
    }
    return viewer;
  }

  /** Offers once more on the same WebSocket, and takes the answer over. */
  async offer(
    offer: ClientOffer,
    { offer: outwards, answer: inwards }: Changes = {},
  ): Promise<void> {
    const from = this.messages.length;
    this.offerSdp = await this.program.offer(offer);
    if (outwards !== undefined) this.offerSdp = outwards(this.offerSdp);
    this.#socket?.send(JSON.stringify({ type: "offer", sdp: this.offerSdp }));
    const find = () =>
      this.messages.slice(from).find(({ type }) => type === "answer" || type === "error");
    await eventually(() => find() !== undefined, { what: "for an answer to the offer" });
    const reply = find();
    if (reply?.type !== "answer") throw new Error(`${reply?.code}: ${reply?.message}`);
    this.answerSdp = String(reply.sdp);
    if (inwards !== undefined) this.answerSdp = inwards(this.answerSdp);
    await this.program.answer(this.answerSdp);
    const added = () => this.messages.slice(from).find(({ type }) => type === "candidate");
    await eventually(() => added() !== undefined, { what: "for the server's candidate" });
    await this.program.candidate(added()?.candidate);
  }

  /** States that the server told, in order. */
  get states(): readonly unknown[] {
    return this.messages.filter(({ type }) => type === "state").map(({ state }) => state);
  }

  /** Waits until the server says that the viewer is in a state. */
  async state(state: string): Promise<void> {
    await eventually(() => this.states.includes(state), {
      what: () =>
        `for the server to tell "${state}", it told ${this.states}\n${this.program.lastWords}`,
    });
  }

  /** Closes the WebSocket. */
  async closeSocket(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
    socket.close(1000);
    await within(closed, { what: "for the WebSocket to close" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeSocket();
    await this.program.close();
  }

  async #connect(url: string): Promise<void> {
    const socket = new WebSocket(url);
    socket.onmessage = ({ data }) => this.messages.push(JSON.parse(data));
    this.#socket = socket;
    await within(
      new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = () => reject(new Error(`Cannot connect to ${url}`));
      }),
      { what: "for the WebSocket to open" },
    );
  }
}
