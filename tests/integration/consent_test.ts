import assert from "assert";
import { parseStun } from "../../src/transport/stun.ts";
import { consentAnswer, isConsentRequest } from "../support/checks.ts";
import { eventually } from "../support/deadline.ts";
import { startTestServer } from "../support/test_server.ts";
import { WeriftViewer } from "../support/werift_viewer.ts";

/** Headers of UDP and IPv4. */
const HEADERS_BYTES = 28;
const REPORTS = 12;
const REPORT_INTERVAL_MS = 250;

/** Another address: what is sent from there may be false, or come from a viewer that has moved. */
class Elsewhere implements Disposable {
  readonly #socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  readonly #to: Deno.NetAddr;
  readonly #answer: (request: Uint8Array) => Uint8Array | undefined;
  sentBytes = 0;
  /** What came, headers included. */
  cameBytes = 0;
  requests = 0;

  /** @param options.answer What it answers to requests for consent. */
  constructor(
    port: number,
    { answer = () => undefined }: { answer?: (request: Uint8Array) => Uint8Array | undefined } = {},
  ) {
    this.#to = { transport: "udp", hostname: "127.0.0.1", port };
    this.#answer = answer;
    void this.#receive();
  }

  async send(packet: Uint8Array): Promise<void> {
    this.sentBytes += packet.length + HEADERS_BYTES;
    await this.#socket.send(packet, this.#to);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #receive(): Promise<void> {
    for await (const [packet] of this.#socket) {
      this.cameBytes += packet.length + HEADERS_BYTES;
      if (!isConsentRequest(packet)) continue;
      this.requests++;
      const answer = this.#answer(packet);
      if (answer !== undefined) await this.#socket.send(answer, this.#to);
    }
  }
}

function mediaPort(viewer: WeriftViewer): number {
  return Number(/^m=video (\d+)/m.exec(viewer.answerSdp)?.[1]);
}

function password(viewer: WeriftViewer): string {
  const sdp = viewer.peer.localDescription?.sdp ?? "";
  return /^a=ice-pwd:(.*)$/m.exec(sdp)?.[1]?.trim() ?? assert.fail("no ice-pwd");
}

/** A report of a viewer that has no report in it: the shortest that is authentic. */
function report(viewer: WeriftViewer): Uint8Array {
  return viewer.protectRtcp(Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 1));
}

/** Waits until the stream goes there: the viewer is at its former address as well, and takes it back by what it says. */
async function followed(viewer: WeriftViewer, elsewhere: Elsewhere): Promise<void> {
  await eventually(async () => {
    await elsewhere.send(report(viewer));
    return elsewhere.cameBytes > 3 * elsewhere.sentBytes + 5_000;
  }, { what: "for the stream to follow" });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

Deno.test("consent: reports with a false source bring it requests alone, and three times their bytes at most", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  await viewer.state("connected");
  using victim = new Elsewhere(mediaPort(viewer));
  for (let count = 0; count < REPORTS; count++) {
    await victim.send(report(viewer));
    await sleep(REPORT_INTERVAL_MS);
    await viewer.receives(3);
  }
  assert.ok(victim.requests > 0);
  const { cameBytes, sentBytes } = victim;
  assert.ok(cameBytes <= 3 * sentBytes, `${cameBytes} bytes for ${sentBytes}`);
  await eventually(
    async () => await server.metric("consents_lost_total", { reason: "unanswered" }) > 0,
    { what: "for the count" },
  );
  assert.equal(await server.metric("packets_dropped_total", { reason: "internal_error" }), 0);
});

Deno.test("consent: an answer with another password, or one that is sent again, brings nothing", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const wrong = { password: "x".repeat(24) };
  let captured: Uint8Array | undefined;
  using victim = new Elsewhere(mediaPort(viewer), {
    // Of the first request; later ones have other ids.
    answer: (request) => captured ??= consentAnswer(request, wrong),
  });
  for (let count = 0; count < 6; count++) {
    await victim.send(report(viewer));
    await sleep(REPORT_INTERVAL_MS);
  }
  const { cameBytes, sentBytes } = victim;
  assert.ok(cameBytes <= 3 * sentBytes, `${cameBytes} bytes for ${sentBytes}`);
  assert.ok(await server.metric("stun_rejected_total", { reason: "response_integrity" }) > 0);
  await viewer.receives(5);
});

Deno.test("consent: a viewer that answers from its new address has the stream there", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  using moved = new Elsewhere(mediaPort(viewer), {
    answer: (request) => consentAnswer(request, { password: password(viewer) }),
  });
  await followed(viewer, moved);
  assert.ok(await server.metric("viewer_moves_total", { proof: "srtcp" }) >= 1);
});

Deno.test("consent: a viewer that answers no request has the stream where it shook hands", async () => {
  await using server = await startTestServer();
  const viewing = { answersRequests: false };
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"), viewing);
  for (let count = 0; count < 10; count++) {
    await viewer.sendRaw(report(viewer));
    await sleep(1_000);
    await viewer.receives(10);
  }
  assert.ok(await server.metric("consent_requests_total") > 1);
  assert.equal(await server.metric("consents_granted_total"), 0);
  assert.equal(await server.metric("packets_withheld_total", { kind: "stream" }), 0);
});

Deno.test("consent: a captured answer of the viewer itself proves no other address", async () => {
  await using server = await startTestServer();
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const port = mediaPort(viewer);
  let request: Uint8Array | undefined;
  {
    using moved = new Elsewhere(port, {
      answer: (asked) => {
        request ??= asked.slice();
        return consentAnswer(asked, { password: password(viewer) });
      },
    });
    await followed(viewer, moved);
  }
  const captured = consentAnswer(request ?? assert.fail(), { password: password(viewer) });
  assert.ok(!("invalid" in parseStun(captured)));
  using victim = new Elsewhere(port);
  for (let count = 0; count < 5; count++) {
    await victim.send(report(viewer));
    await victim.send(captured);
    await sleep(REPORT_INTERVAL_MS);
  }
  assert.ok(victim.cameBytes <= 3 * victim.sentBytes, `${victim.cameBytes} bytes`);
});
