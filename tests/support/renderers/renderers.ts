import assert from "assert";
import type { LogFields, Logger } from "../../../src/base/log.ts";
import type { FrameSource, FrameSourceFactory, RawFrame } from "../../../src/media/frame.ts";
import { openRendererLibrary } from "../../../src/renderer/library.ts";
import { blockCodeArea } from "../../../src/renderer/block_code.ts";
import { RendererError, type RendererErrorCode } from "../../../src/renderer/renderer_error.ts";
import {
  compileEmulatedCuda,
  compileReference,
  compileTestRenderer,
  hasCplusplus,
} from "./native.ts";
import { rgbaFromFrame } from "../media/picture.ts";

type Json = Readonly<Record<string, unknown>>;

/** Opens the reference library for one test. */
export async function withReference(
  options: Json,
  use: (factory: FrameSourceFactory) => Promise<void>,
): Promise<void> {
  await withLibrary(await compileReference(), use, { options });
}

/** A library that shows the scene of src/renderer/native, with its sound and messages. */
export interface SceneLibrary {
  readonly name: string;
  /** Whether this host cannot compile it. */
  readonly ignore: boolean;
  /** @returns Path of the shared library. */
  readonly compile: () => Promise<string>;
}

/** The reference libraries; the one for CUDA runs on an emulation. */
export const SCENE_LIBRARIES: readonly SceneLibrary[] = [
  { name: "reference.c", ignore: false, compile: compileReference },
  { name: "reference.cu", ignore: !(await hasCplusplus()), compile: () => compileEmulatedCuda() },
];

/** Opens a library for one test. */
export async function withLibrary(
  path: string,
  use: (factory: FrameSourceFactory) => Promise<void>,
  { options = {}, warnings = [] }: { options?: Json; warnings?: Faulty["warnings"] } = {},
): Promise<void> {
  const factory = await openRendererLibrary({ path, options, log: warningsInto(warnings) });
  try {
    await use(factory);
  } finally {
    await factory.close();
  }
}

/** Opens a library that misbehaves: see testdata/renderers/bad_citizen.c. */
export async function withBadCitizen(
  options: { readonly misbehave: string; readonly after?: number },
  use: (factory: FrameSourceFactory) => Promise<void>,
): Promise<void> {
  await withLibrary(await compileTestRenderer("bad_citizen"), use, { options: { ...options } });
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
  assert(result.frame.kind === "raw", result.frame.kind);
  return result.frame;
}

/** RGBA of some moments, height × width × 4, without the block code and what is beside it. */
export async function pictures(
  path: string,
  { moments, size }: { moments: readonly number[]; size: readonly [number, number] },
): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  await withLibrary(path, async (factory) => {
    const session = await openSession(factory, { size });
    for (const timestampUs of moments) {
      const frame: RawFrame = await frameAt(session, timestampUs);
      const { data, width, height } = rgbaFromFrame(frame);
      found.push(data.slice(blockCodeArea({ width, height }).height * width * 4));
    }
  });
  return found;
}

/** Holds two pictures to be the same but for their edges: the libraries differ in how they halve chroma. */
export function assertAlike(actual: Uint8Array, expected: Uint8Array | undefined): void {
  assert(expected !== undefined && actual.length === expected.length);
  const far = actual.filter((value, index) => Math.abs(value - (expected[index] ?? 0)) > 8).length;
  assert.ok(far < actual.length * 0.02, `${far} of ${actual.length} values differ`);
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
