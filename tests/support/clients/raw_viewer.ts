import assert from "assert";
import { parseStun } from "../../../src/transport/ice/stun.ts";
import { formatBindingRequest } from "../../../src/transport/ice/stun_format.ts";
import type { ServerCertificate } from "../../../src/transport/dtls/server_certificate.ts";
import { createIceCredentials, type IceCredentials } from "../../../src/transport/ice/ice_agent.ts";
import { consentAnswer, isConsentRequest } from "../parts/checks.ts";
import { within } from "../deadline.ts";
import { RawDtlsClient } from "./raw_dtls_client.ts";

const SERVER_HELLO_DONE = 14;
const APPLICATION_DATA = 23;

/** First bytes of what comes to one port (RFC 7983 §7). */
const STUN_MAX = 3;
const DTLS = { min: 20, max: 63 } as const;

/**
 * A viewer of a real server that joins by WHEP and speaks ICE and DTLS by hand: it costs a tenth of a whole WebRTC
 * client, and sends as SCTP whatever its caller wants. Video that comes is passed over.
 */
export class RawViewer implements AsyncDisposable {
  /** Content of the server's DTLS records, in order. */
  readonly dataPackets: Uint8Array[] = [];
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #client: RawDtlsClient;
  /** Others for each: with those of a viewer that has ended, an offer is a further one of theirs. */
  readonly #ice = createIceCredentials();
  readonly #receiving: Promise<void>;
  #server: Deno.NetAddr = { transport: "udp", hostname: "127.0.0.1", port: 0 };
  #resource = "";
  #hasPath = false;
  #heard = Promise.withResolvers<void>();

  private constructor(certificate: ServerCertificate) {
    this.#client = new RawDtlsClient({
      certificate,
      send: (datagram) => void this.#send(datagram),
      received: (content) => this.dataPackets.push(content),
    });
    this.#receiving = this.#receive();
  }

  /**
   * Joins a session and shakes hands.
   * @param origin Such as `http://127.0.0.1:9000`.
   */
  static async join(
    origin: string,
    { session, certificate }: { session: string; certificate: ServerCertificate },
  ): Promise<RawViewer> {
    const viewer = new RawViewer(certificate);
    const answer = await viewer.#offer(`${origin}/whep/${session}`, certificate);
    await viewer.#openPath(answer);
    await viewer.#shakeHands();
    return viewer;
  }

  /** Sends bytes as the content of a DTLS record. */
  async sendData(bytes: Uint8Array): Promise<void> {
    await this.#send(this.#client.seal(APPLICATION_DATA, bytes));
  }

  /** Waits for something to come for which `holds` says yes. */
  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      this.#heard = Promise.withResolvers<void>();
      await within(this.#heard.promise, { what });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await fetch(this.#resource, { method: "DELETE" })).body?.cancel();
    this.#socket.close();
    await this.#receiving;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    await this.#socket.send(bytes, this.#server);
  }

  async #offer(endpoint: string, certificate: ServerCertificate): Promise<string> {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: offerOf(certificate, this.#ice),
    });
    const sdp = await response.text();
    assert.equal(response.status, 201, sdp);
    this.#resource = new URL(response.headers.get("Location") ?? "", endpoint).href;
    return sdp;
  }

  /** Sends one check; the server asks for consent then, as of every path (RFC 7675). */
  async #openPath(answer: string): Promise<void> {
    const value = (pattern: RegExp) => pattern.exec(answer)?.[1] ?? assert.fail(answer);
    this.#server = { ...this.#server, port: Number(value(/^a=candidate:.* (\d+) typ host/m)) };
    await this.#send(formatBindingRequest({
      transactionId: crypto.getRandomValues(new Uint8Array(12)),
      key: value(/^a=ice-pwd:(\S+)/m),
      username: `${value(/^a=ice-ufrag:(\S+)/m)}:${this.#ice.ufrag}`,
      priority: 1_853_817_087,
      role: "controlling",
      tieBreaker: 1n,
      useCandidate: true,
    }));
    await this.until(() => this.#hasPath, "for an answer to a check");
  }

  async #shakeHands(): Promise<void> {
    const client = this.#client;
    const heard = (message: number | "finished") => () => client.heard.includes(message);
    client.take("hello");
    await this.until(heard(SERVER_HELLO_DONE), "for a ServerHelloDone");
    for (const step of ["certificate", "keyExchange", "verify", "finished"] as const) {
      client.take(step);
    }
    await this.until(heard("finished"), "for a Finished");
  }

  async #receive(): Promise<void> {
    for await (const [packet] of this.#socket) {
      const [first = 0] = packet;
      if (first <= STUN_MAX) await this.#takeStun(packet);
      if (first >= DTLS.min && first <= DTLS.max) this.#client.receive(packet);
      this.#heard.resolve();
    }
  }

  async #takeStun(packet: Uint8Array): Promise<void> {
    if (isConsentRequest(packet)) {
      return await this.#send(consentAnswer(packet, { password: this.#ice.pwd }));
    }
    const message = parseStun(packet);
    this.#hasPath ||= !("invalid" in message) && message.messageClass === "success";
  }
}

/** An offer of video and of data channels. */
export function offerOf(
  { fingerprint: { algorithm, value } }: ServerCertificate,
  { ufrag, pwd }: IceCredentials,
): string {
  const transport = [
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `a=fingerprint:${algorithm} ${value}`,
    "a=setup:actpass",
  ];
  return [
    ...["v=0", `o=- ${crypto.getRandomValues(new Uint32Array(1))[0]} 1 IN IP4 127.0.0.1`, "s=-"],
    ...["t=0 0", "a=group:BUNDLE 0 1"],
    ...["m=video 9 UDP/TLS/RTP/SAVPF 96", ...transport, "a=mid:0", "a=recvonly", "a=rtcp-mux"],
    ...["a=rtpmap:96 VP8/90000", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"],
    ...[...transport, "a=mid:1", "a=sctp-port:5000", ""],
  ].join("\r\n");
}
