import assert from "assert";
import type { LogFields, Logger } from "../../src/base/log.ts";
import type { FrameSource, FrameSourceFactory, RawFrame } from "../../src/media/frame.ts";
import { openRendererLibrary } from "../../src/renderer/library.ts";
import { RendererError, type RendererErrorCode } from "../../src/renderer/renderer_error.ts";
import { compileReference, compileTestRenderer } from "./native.ts";

type Json = Readonly<Record<string, unknown>>;

/** Opens the reference library for one test. */
export async function withReference(
  options: Json,
  use: (factory: FrameSourceFactory) => Promise<void>,
): Promise<void> {
  const factory = await openRendererLibrary({ path: await compileReference(), options });
  try {
    await use(factory);
  } finally {
    await factory.close();
  }
}

/** The library of testdata/renderers/faulty.c, opened. */
export interface Faulty {
  readonly factory: FrameSourceFactory;
  /** Warnings so far. */
  readonly warnings: { readonly event: string; readonly fields: LogFields }[];
}

/** Opens faulty.c for one test, and fails when calls on one of its sessions overlapped. */
export async function withFaulty(
  use: (faulty: Faulty) => Promise<void>,
  { defines = {}, options = {} }: { defines?: Record<string, string>; options?: Json } = {},
): Promise<void> {
  const warnings: Faulty["warnings"] = [];
  const path = await compileTestRenderer("faulty", { defines });
  const factory = await openRendererLibrary({ path, options, log: warningsInto(warnings) });
  try {
    await use({ factory, warnings });
  } finally {
    await factory.close();
  }
  // This is how the library tells.
  const overlaps = warnings.filter(({ fields }) => fields.status === -100);
  assert.deepEqual(overlaps, []);
}

/** A logger that keeps the warnings. */
export function warningsInto(warnings: Faulty["warnings"], inherited: LogFields = {}): Logger {
  return {
    debug() {},
    info() {},
    warn: (event, fields) => warnings.push({ event, fields: { ...inherited, ...fields } }),
    error() {},
    child: (fields) => warningsInto(warnings, { ...inherited, ...fields }),
  };
}

/** Opens a session of 640×360 unless told otherwise. */
export function openSession(
  factory: FrameSourceFactory,
  { sessionId = "one", size = [640, 360], params = {} }: {
    sessionId?: string;
    size?: readonly [number, number];
    params?: Json;
  } = {},
): Promise<FrameSource> {
  const [width, height] = size;
  return factory.open({ sessionId, width, height, fps: 30, params });
}

/** Renders what must be a frame. */
export async function frameAt(source: FrameSource, timestampUs: number): Promise<RawFrame> {
  const result = await source.render(timestampUs);
  assert(result.status === "frame", result.status);
  return result.frame;
}

/** Holds `action` to a rejection with a code and a text. */
export async function failsWith(
  code: RendererErrorCode,
  { message, action }: { message: RegExp; action: () => Promise<unknown> },
): Promise<void> {
  await assert.rejects(action, (error) => {
    assert(error instanceof RendererError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}
