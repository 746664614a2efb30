import assert from "assert";
import { warmUp } from "../../src/app/warm_up.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { createServerCertificate } from "../../src/transport/dtls/server_certificate.ts";
import { FakeEncoders } from "../support/parts/fake_source.ts";

const video = { width: 16, height: 16, fps: 30, bitrateKbps: 100 };
const certificate = createServerCertificate();

Deno.test("warmUp: encodes a keyframe and another frame of the first codec, and frees the encoder", async () => {
  const encoders = new FakeEncoders();
  await warmUp({ certificate, encoders, codecs: ["vp8", "h264"], video, log: NULL_LOGGER });
  assert.deepEqual(encoders.opened.map(({ codec }) => codec), ["vp8"]);
  assert.deepEqual(encoders.latest.encoded.map(({ keyframe }) => keyframe), [true, false]);
  assert.ok(encoders.latest.isClosed);
});

Deno.test("warmUp: a failure is logged, and stops nobody", async () => {
  for (const broken of ["prepare", "encode"] as const) {
    const encoders = new FakeEncoders();
    encoders.prepare = (encoder) => {
      if (broken === "prepare") throw new Error("no encoder here");
      encoder.gate = () => Promise.reject(new Error("no encoder here"));
    };
    const warnings: unknown[] = [];
    const log = { ...NULL_LOGGER, warn: (...event: unknown[]) => void warnings.push(event) };
    await warmUp({ certificate, encoders, codecs: ["h264"], video, log });
    assert.deepEqual(warnings, [["warm_up_failed", { error: "no encoder here" }]]);
    assert.ok(encoders.opened.every(({ isClosed }) => isClosed));
  }
});
