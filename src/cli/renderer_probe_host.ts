import { errorText } from "../base/errors.ts";
import type { RendererFound } from "../doctor/source.ts";
import type { FrameSourceOptions, RenderResult } from "../media/frame.ts";
import { openRendererLibrary } from "../renderer/library.ts";
import { type CallState, watchCalls } from "../renderer/watched_calls.ts";
import { formatRecord } from "./json_records.ts";

/** What the process is told on its standard input, as JSON. */
export interface RendererProbeJob extends Omit<FrameSourceOptions, "params"> {
  /** Path of the shared library. */
  readonly library: string;
  /** Handed to the library as JSON: `[renderer.options]`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What came of a probe, without the name of what was probed. */
export type ProbeFound =
  | { readonly kind: "frame"; readonly format: string; readonly ms: number }
  | { readonly kind: "idle" }
  | Pick<RendererFound & { kind: "failed" }, "kind" | "reason">;

/** What the process says on its standard error, among whatever the library writes there. */
export interface ProbeRecord {
  /** Where the library's calls are now. */
  readonly calls?: CallState;
  /** The probe is over. */
  readonly found?: ProbeFound;
}

/**
 * `pinhole renderer-probe-host`: the process in which `pinhole doctor` opens a library and asks it for a frame. It is no
 * command for people. A library that is stuck leaves a call under way: the process must end itself afterwards.
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

/** Leaves when nobody listens any more: then the doctor was ended. */
function say(record: ProbeRecord): void {
  try {
    // One write, which a record is short enough for.
    Deno.stderr.writeSync(formatRecord(record));
  } catch {
    Deno.exit(1);
  }
}
