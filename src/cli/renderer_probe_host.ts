import { errorText } from "../base/errors.ts";
import type { RendererFound } from "../doctor/renderer_judge.ts";
import type { FrameSourceOptions, RenderResult } from "../media/frame.ts";
import { openRendererLibrary } from "../renderer/library.ts";
import { type CallState, watchCalls } from "../renderer/watched_calls.ts";
import { formatRecord } from "./json_records.ts";

/** The job of the process, as JSON on its standard input. */
export interface RendererProbeJob extends Omit<FrameSourceOptions, "params"> {
  /** Path of the shared library. */
  readonly library: string;
  /** Passed to the library as JSON: `[renderer.options]`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** Result of a probe, without the name of the renderer. */
export type ProbeFound =
  | { readonly kind: "frame"; readonly format: string; readonly ms: number }
  | { readonly kind: "idle" }
  | Pick<RendererFound & { kind: "failed" }, "kind" | "reason">;

/** Records of the process on its standard error, among the library's own output. */
export interface ProbeRecord {
  /** State of the library's calls. */
  readonly calls?: CallState;
  /** The probe has ended. */
  readonly found?: ProbeFound;
}

/**
 * `pinhole renderer-probe-host`: the process in which `pinhole doctor` opens a library and requests a frame. Internal.
 * If the library hangs, a call is still pending afterwards, so the caller must exit the process.
 */
export async function rendererProbeHost(): Promise<void> {
  say({});
  const job: RendererProbeJob = JSON.parse(await new Response(Deno.stdin.readable).text());
  const found = await probe(job).catch((error) => ({
    kind: "failed" as const,
    reason: errorText(error),
  }));
  say({ found });
}

async function probe({ library, options, ...asked }: RendererProbeJob): Promise<ProbeFound> {
  await using opened = new AsyncDisposableStack();
  const renderer = await openRendererLibrary({
    path: library,
    options,
    wrap: (loaded) => watchCalls(loaded, (calls) => say({ calls })),
  });
  opened.defer(() => renderer.close());
  const source = await renderer.open({ ...asked, params: {} });
  opened.defer(() => source.close());
  const startMs = performance.now();
  return foundOf(await source.render(0), performance.now() - startMs);
}

function foundOf(result: RenderResult, ms: number): ProbeFound {
  if (result.status === "failed") {
    return { kind: "failed", reason: "it cannot render; see its log" };
  }
  if (result.status !== "frame") return { kind: "idle" };
  const { frame } = result;
  return { kind: "frame", format: frame.kind === "raw" ? frame.format : frame.kind, ms };
}

/** Exits if standard error is closed: then the doctor has ended. */
function say(record: ProbeRecord): void {
  try {
    // A record is short enough for a single write.
    Deno.stderr.writeSync(formatRecord(record));
  } catch {
    Deno.exit(1);
  }
}
