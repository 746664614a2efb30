import { type CheckResult, failed, ok } from "./result.ts";

/** Where frames come from, and what came of asking for one. */
export type RendererFound =
  | { readonly kind: "frame"; readonly what: string; readonly format: string; readonly ms: number }
  /** It gave no frame, but says that it has none at the moment. */
  | { readonly kind: "idle"; readonly what: string }
  /** Not asked, since a second user would disturb it: the server's session has to tell. */
  | { readonly kind: "untouched" }
  | { readonly kind: "failed"; readonly what: string; readonly reason: string };

/** Says whether the renderer gives frames. Pure. */
export function judgeRenderer(
  found: Exclude<RendererFound, { kind: "untouched" }>,
): CheckResult {
  switch (found.kind) {
    case "frame": {
      const ms = Math.round(found.ms);
      return ok("renderer", `${found.what}: opens, and a frame (${found.format}) takes ${ms} ms`, {
        values: { format: found.format, first_frame_ms: ms },
      });
    }
    case "idle":
      return ok("renderer", `${found.what}: opens, and has nothing to show yet`);
    case "failed":
      return failed("renderer", {
        text: `${found.what}: ${found.reason}`,
        fix: "`pinhole renderer-test LIBRARY` says more; an empty renderer.library shows the " +
          "test pattern, as the checks below do now",
      });
  }
}

/** Says which encoder is used. @param found Its name, or why none opens. Pure. */
export function judgeEncoder(
  found: { readonly name: string } | { readonly problem: string },
): CheckResult {
  if ("name" in found) {
    return ok("encoder", `${found.name} opens`, { values: { name: found.name } });
  }
  return failed("encoder", {
    text: found.problem,
    fix: 'video.encoder = "auto" and video.codec = "auto" take what this host has',
  });
}
