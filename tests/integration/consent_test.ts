import assert from "assert";
import { parseStun } from "../../src/transport/ice/stun.ts";
import { consentAnswer } from "../support/parts/checks.ts";
import { eventually } from "../support/deadline.ts";
import { Elsewhere, password, report } from "../support/network/elsewhere.ts";
import { mediaAddress } from "../support/attacks/hostile_packets.ts";
import { startTestServer } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

const REPORTS = 12;
const REPORT_INTERVAL_MS = 250;

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
  using victim = new Elsewhere(mediaAddress(viewer));
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
  using victim = new Elsewhere(mediaAddress(viewer), {
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
  using moved = new Elsewhere(mediaAddress(viewer), {
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
  const to = mediaAddress(viewer);
  let request: Uint8Array | undefined;
  {
    using moved = new Elsewhere(to, {
      answer: (asked) => {
        request ??= asked.slice();
        return consentAnswer(asked, { password: password(viewer) });
      },
    });
    await followed(viewer, moved);
  }
  const captured = consentAnswer(request ?? assert.fail(), { password: password(viewer) });
  assert.ok(!("invalid" in parseStun(captured)));
  using victim = new Elsewhere(to);
  for (let count = 0; count < 5; count++) {
    await victim.send(report(viewer));
    await victim.send(captured);
    await sleep(REPORT_INTERVAL_MS);
  }
  assert.ok(victim.cameBytes <= 3 * victim.sentBytes, `${victim.cameBytes} bytes`);
});
