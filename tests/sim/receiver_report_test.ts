import assert from "assert";
import { NULL_METER } from "../../src/base/meter.ts";
import { PathRate } from "../../src/rate/path_rate.ts";
import { compactNtp } from "../../src/transport/rtp/rtcp_format.ts";
import { RtpSession } from "../../src/transport/rtp/rtp_session.ts";
import { RtpStream } from "../../src/transport/rtp/rtp_stream.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";
import { SimulatedLink } from "./link.ts";

const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 } as const;
const FRAME_MS = 33;
const REPORT_MS = 1_000;
const RETURN_MS = 20;
const PACKET_BYTES = 1_160;
const WARM_UP_MS = 30_000;
const RUN_MS = 120_000;

interface Report {
  readonly atMs: number;
  readonly lossRatio: number;
  /** Of the last sender report that came, and how long ago. */
  readonly last: { readonly compact: number; readonly heldMs: number };
}

/** A receiver report (RFC 3550 §6.4.2) on a stream. */
function formatReport(ssrc: number, { lossRatio, last }: Report): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  view.setUint32(0, 0x81c9_0007);
  view.setUint32(8, ssrc);
  view.setUint8(12, Math.min(255, Math.floor(lossRatio * 256)));
  view.setUint32(24, last.compact);
  view.setUint32(28, Math.round(last.heldMs * 65.536));
  return new Uint8Array(view.buffer);
}

/** A stream to a viewer that sends one receiver report a second, as aiortc does, and nothing else. */
class PlainViewer {
  readonly #clock = new FakeClock();
  readonly #rate = new PathRate({ limits: () => LIMITS, nowMs: 0 });
  readonly #link: SimulatedLink;
  readonly #stream: RtpStream;
  readonly #session: RtpSession;
  #packets = { sent: 0, lost: 0 };
  #arrivesMs = 0;
  #senderReports: { readonly compact: number; readonly arrivesMs: number }[] = [];
  #reports: Report[] = [];
  readonly latenciesMs: number[] = [];
  #sentBytes = 0;

  constructor(link: SimulatedLink) {
    this.#link = link;
    this.#stream = new RtpStream({
      payloadType: 96,
      clockRate: 90_000,
      clock: this.#clock,
      send: (packet) => this.#carry(packet.length),
      sent: (bytes) => this.#rate.sent(bytes, this.#clock.now()),
    });
    this.#session = new RtpSession({
      streams: [this.#stream],
      cname: "sim",
      pathRate: this.#rate,
      timelineUs: () => this.#clock.now() * 1000,
      keyframeRequested() {},
      send: (report) => this.#carryReport(report.length),
      clock: this.#clock,
      meter: NULL_METER,
    });
  }

  /** Video that was sent after the first while, in kbit/s. */
  get kbps(): number {
    return 8 * this.#sentBytes / (RUN_MS - WARM_UP_MS);
  }

  async run(): Promise<void> {
    this.#session.start({
      rtp: {
        protect({ headerBytes, payload }, target) {
          target.set(payload, headerBytes);
          return headerBytes + payload.length;
        },
      },
      protectRtcp: (compound) => compound,
      unprotectRtcp: (compound) => ({ compound, newest: true }),
    });
    for (let nowMs = 0; nowMs < RUN_MS; nowMs++) {
      if (nowMs % FRAME_MS === 0) this.#sendFrame();
      if (nowMs % REPORT_MS === 500) this.#report();
      this.#deliver();
      this.#clock.stall(1);
      // The session's own timer is due once a second.
      if (nowMs % 1_000 === 999) await this.#clock.advance(0);
    }
    this.#session.close();
  }

  #sendFrame(): void {
    const bytes = Math.max(100, this.#rate.view.targetKbps * FRAME_MS / 8);
    const payloads = Array.from(
      { length: Math.ceil(bytes / PACKET_BYTES) },
      (_, at) => new Uint8Array(Math.min(PACKET_BYTES, bytes - at * PACKET_BYTES)),
    );
    const nowMs = this.#clock.now();
    this.#stream.send({ payloads, timestampUs: nowMs * 1000, marker: true });
    if (nowMs < WARM_UP_MS) return;
    this.#sentBytes += bytes;
    this.latenciesMs.push(this.#arrivesMs - nowMs);
  }

  #carry(bytes: number): void {
    this.#packets.sent++;
    const arrivesMs = this.#link.send(bytes, this.#clock.now());
    if (arrivesMs === undefined) this.#packets.lost++;
    else this.#arrivesMs = arrivesMs;
  }

  #carryReport(bytes: number): void {
    const arrivesMs = this.#link.send(bytes, this.#clock.now());
    const compact = compactNtp(this.#clock.wallMs());
    if (arrivesMs !== undefined) this.#senderReports.push({ compact, arrivesMs });
  }

  #report(): void {
    const nowMs = this.#clock.now();
    const last = this.#senderReports.findLast(({ arrivesMs }) => arrivesMs <= nowMs);
    if (last === undefined) return;
    const { sent, lost } = this.#packets;
    this.#packets = { sent: 0, lost: 0 };
    this.#reports.push({
      atMs: nowMs + RETURN_MS,
      lossRatio: sent === 0 ? 0 : lost / sent,
      last: { compact: last.compact, heldMs: nowMs - last.arrivesMs },
    });
  }

  #deliver(): void {
    const [report] = this.#reports;
    if (report === undefined || report.atMs > this.#clock.now()) return;
    this.#reports.shift();
    this.#session.receive(formatReport(this.#stream.ssrc, report));
  }
}

for (
  const [capacityKbps, leastKbps] of [[500, 250], [1_000, 500], [2_000, 1_000], [
    5_000,
    2_400,
  ]] as const
) {
  Deno.test(`receiver reports: a viewer that sends nothing else finds its rate on ${capacityKbps} kbit/s`, async () => {
    const link = new SimulatedLink({ seed: 1, delayMs: 20, capacityKbps: () => capacityKbps });
    const viewer = new PlainViewer(link);
    await viewer.run();
    const latencies = viewer.latenciesMs.toSorted((a, b) => a - b);
    const p95Ms = latencies[Math.floor(latencies.length * 0.95)] ?? Number.NaN;
    assert.ok(p95Ms < 500, `95 % of the pictures came within ${p95Ms} ms`);
    const kbps = viewer.kbps;
    assert.ok(kbps > leastKbps && kbps < capacityKbps, `${kbps} kbit/s`);
  });
}
