import { BuildError } from "./command.ts";

/** A machine that executables are built for. */
export interface Target {
  /** As `deno compile --target` names it. */
  readonly triple: string;
  /** As npm names it, and with it packages of native code. */
  readonly arch: "x64" | "arm64";
  /** Ends the name of a release. */
  readonly label: string;
  /** The npm package with the `deno` program. */
  readonly denoPackage: string;
}

/** Every machine that Deno and the encoders are built for, of those that run Linux. */
const TARGETS: readonly Target[] = [
  {
    triple: "x86_64-unknown-linux-gnu",
    arch: "x64",
    label: "x86_64-linux",
    denoPackage: "@deno/linux-x64-glibc",
  },
  {
    triple: "aarch64-unknown-linux-gnu",
    arch: "arm64",
    label: "aarch64-linux",
    denoPackage: "@deno/linux-arm64-glibc",
  },
];

/**
 * The target of that name.
 * @param triple As `deno compile --target` names it. Default: this machine.
 * @throws {BuildError} When there is none.
 */
export function findTarget(triple: string = Deno.build.target): Target {
  const found = TARGETS.find((target) => target.triple === triple);
  if (found !== undefined) return found;
  const known = TARGETS.map((target) => target.triple).join(" or ");
  throw new BuildError(`Target "${triple}" is not known; give --target ${known}`);
}
