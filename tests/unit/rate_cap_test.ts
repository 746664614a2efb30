import assert from "assert";
import { SdpError } from "../../src/sdp/model.ts";
import { parseOffer } from "../../src/sdp/offer.ts";
import { PathRate } from "../../src/rate/path_rate.ts";

const OFFER = await Deno.readTextFile(
  new URL("../testdata/sdp/chrome_156_sendrecv_data.offer.sdp", import.meta.url),
);
const LIMITS = { floorKbps: 150, ceilingKbps: 2_500 };

/** The offer with lines behind the `c=` of its video section, or before its first section. */
function offerWith({ video = "", session = "" }: { video?: string; session?: string }): string {
  const [head = "", ...sections] = OFFER.split(/^(?=m=)/m);
  const withVideo = sections.map((section) =>
    section.startsWith("m=video") ? section.replace(/^(c=.*\r\n)/m, `$1${video}`) : section
  );
  return [head.replace(/^(t=.*\r\n)/m, `${session}$1`), ...withVideo].join("");
}

function rateOf(
  offer: string,
  { hasSound = false }: { hasSound?: boolean } = {},
): PathRate {
  const { media, bandwidth: session = [] } = parseOffer(offer);
  const video = media.find(({ kind }) => kind === "video")?.bandwidth ?? [];
  const rate = new PathRate({ limits: () => LIMITS, nowMs: 0 });
  rate.limits = { video, session, hasSound };
  return rate;
}

Deno.test("b=AS, b=TIAS: the target is below what they say from the first picture on, headers left out", () => {
  const cases: [{ video?: string; session?: string }, number, number][] = [
    [{ video: "b=AS:500\r\n" }, 480, 490],
    [{ video: "b=TIAS:500000\r\n" }, 488, 495],
    [{ session: "b=AS:500\r\n" }, 480, 490],
    [{ video: "b=AS:900\r\nb=TIAS:300000\r\n" }, 288, 295],
    [{ video: "b=AS:900\r\n", session: "b=AS:300\r\n" }, 280, 290],
    [{ video: "b=AS:60\r\n" }, 40, 50],
    [{ video: "b=AS:99999999\r\n" }, 1_250, 1_250],
    [{ video: "b=CT:10\r\nb=RS:0\r\n" }, 1_250, 1_250],
  ];
  for (const [lines, least, most] of cases) {
    const { targetKbps } = rateOf(offerWith(lines)).view;
    assert.ok(targetKbps >= least && targetKbps <= most, `${JSON.stringify(lines)}: ${targetKbps}`);
  }
  const { targetKbps } = rateOf(offerWith({ session: "b=AS:500\r\n" }), { hasSound: true }).view;
  assert.ok(targetKbps > 400 && targetKbps < 428, `${targetKbps} beside sound`);
});

Deno.test("b=AS: what is sent with its headers stays within the limit in every second", () => {
  const rate = rateOf(offerWith({ video: "b=AS:100\r\n" }));
  const sent: { atMs: number; bytes: number }[] = [];
  for (let nowMs = 0; nowMs < 30_000; nowMs += 33) {
    assert.ok(rate.view.targetKbps < 100);
    if (rate.isFull(nowMs)) continue;
    // An encoder that cannot do with so little.
    for (const bytes of [700, 300]) {
      rate.sent(bytes, nowMs);
      sent.push({ atMs: nowMs, bytes: bytes + 64 });
    }
  }
  for (let fromMs = 0; fromMs < 29_000; fromMs += 500) {
    const inSecond = sent.filter(({ atMs }) => atMs >= fromMs && atMs < fromMs + 1_000);
    const kbit = 8 * inSecond.reduce((sum, { bytes }) => sum + bytes, 0) / 1_000;
    assert.ok(kbit > 40 && kbit <= 115, `${kbit} kbit in a second`);
  }
});

Deno.test("b=AS: another offer may raise the limit or take it away", () => {
  const rate = rateOf(offerWith({ video: "b=AS:200\r\n" }));
  assert.ok(rate.view.targetKbps < 200);
  rate.limits = { video: [], session: [], hasSound: false };
  assert.equal(rate.view.targetKbps, 1_250);
});

Deno.test("b=AS, b=TIAS: a value that makes no sense is refused by its name", () => {
  for (const value of ["", "abc", "-1", "1e3", "1.5", "9".repeat(16), "0"]) {
    for (const type of ["AS", "TIAS"]) {
      const named = (error: unknown) => error instanceof SdpError && error.message.includes(type);
      const line = `b=${type}:${value}\r\n`;
      assert.throws(() => parseOffer(offerWith({ video: line })), named, line);
      assert.throws(() => parseOffer(offerWith({ session: line })), named, line);
    }
  }
  assert.throws(() => parseOffer(offerWith({ video: "b=TIAS:999\r\n" })), SdpError);
});
