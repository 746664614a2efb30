import { type CheckResult, failed, ok } from "./result.ts";

/** The renderer, and the result of requesting a frame. */
export type RendererFound =
  | { readonly kind: "frame"; readonly what: string; readonly format: string; readonly ms: number }
  /** It reports that it has no frame at the moment. */
  | { readonly kind: "idle"; readonly what: string }
  /** Not opened, since a second user would disturb it; the server's session shows its state. */
  | { readonly kind: "untouched" }
  | { readonly kind: "failed"; readonly what: string; readonly reason: string };

/** Reports whether the renderer gives frames. Pure. */
export function judgeRenderer(
  found: Exclude<RendererFound, { kind: "untouched" }>,
): CheckResult {
  switch (found.kind) {
    case "frame": {
      const ms = Math.round(found.ms);
      return ok("renderer", `${found.what}: opens; a frame (${found.format}) takes ${ms} ms`, {
        values: { format: found.format, first_frame_ms: ms },
      });
    }
    case "idle":
      return ok("renderer", `${found.what}: opens, but has nothing to show yet`);
    case "failed":
      return failed("renderer", {
        text: `${found.what}: ${found.reason}`,
        fix: "`pinhole renderer-test LIBRARY` has details; with an empty renderer.library the " +
          "server shows the test pattern, as in the checks below",
      });
  }
}

/** Reports which encoder is used. @param found Its name, or why none opens. Pure. */
export function judgeEncoder(
  found: { readonly name: string } | { readonly problem: string },
): CheckResult {
  if ("name" in found) {
    return ok("encoder", `${found.name} opens`, { values: { name: found.name } });
  }
  return failed("encoder", {
    text: found.problem,
    fix: 'video.encoder = "auto" and video.codec = "auto" use what this host has; ' +
      "`pinhole self-test` tests each encoder",
  });
}
