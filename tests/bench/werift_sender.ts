import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import {
  Event,
  ProtectionProfileAeadAes128Gcm,
  RTCDtlsTransport,
  RTCRtpCodecParameters,
  RTCRtpSender,
  RtpHeader,
  RtpPacket,
  SrtpSession,
} from "werift";

/** werift's own way to send RTP, without a browser: its sender on a DTLS transport that is connected by decree. */
export class WeriftSender {
  readonly #sender = new RTCRtpSender("video");
  readonly #srtp: SrtpSession;
  #sequenceNumber = 0;

  /** @param send Takes each SRTP packet, and settles when it has left. */
  constructor(send: (packet: Uint8Array) => Promise<void>) {
    this.#srtp = new SrtpSession({
      keys: {
        localMasterKey: randomBytes(16),
        localMasterSalt: randomBytes(12),
        remoteMasterKey: randomBytes(16),
        remoteMasterSalt: randomBytes(12),
      },
      profile: ProtectionProfileAeadAes128Gcm,
    });
    this.#sender.setDtlsTransport(Object.assign(Object.create(RTCDtlsTransport.prototype), {
      state: "connected",
      onStateChange: new Event(),
      config: {},
      srtp: this.#srtp,
      iceTransport: { connection: { send } },
      transportSequenceNumber: 0,
      bytesSent: 0,
      packetsSent: 0,
      sendRtcp: () => Promise.resolve(),
    }));
    this.#sender.prepareSend({
      codecs: [
        new RTCRtpCodecParameters({ mimeType: "video/H264", clockRate: 90_000, payloadType: 96 }),
      ],
      headerExtensions: [],
    });
  }

  /** Encrypts one packet as the sender does, and forgets it. */
  encrypt(payload: Uint8Array): void {
    this.#srtp.encrypt(Buffer.from(payload), this.#nextHeader());
  }

  /** Sends one packet. Settles when it has left. */
  send(payload: Uint8Array): Promise<void> {
    return this.#sender.sendRtp(new RtpPacket(this.#nextHeader(), Buffer.from(payload)));
  }

  /** Ends it. */
  close(): void {
    this.#sender.stop();
  }

  #nextHeader(): RtpHeader {
    this.#sequenceNumber = (this.#sequenceNumber + 1) & 0xffff;
    return new RtpHeader({ payloadType: 96, ssrc: 1, sequenceNumber: this.#sequenceNumber });
  }
}
