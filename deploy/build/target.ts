import { BuildError } from "./command.ts";

/** A target of executables. */
export interface Target {
  /** Name for `deno compile --target`. */
  readonly triple: string;
  /** Name in npm and in packages with native code. */
  readonly arch: "x64" | "arm64";
  /** Suffix of the name of a release. */
  readonly label: string;
  /** The npm package with the `deno` program. */
  readonly denoPackage: string;
}

/** Every Linux target for which Deno and the encoders exist. */
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
 * Finds a target by name.
 * @param triple Name for `deno compile --target`. Default: this machine.
 * @throws {BuildError} If it is not known.
 */
export function findTarget(triple: string = Deno.build.target): Target {
  const found = TARGETS.find((target) => target.triple === triple);
  if (found !== undefined) return found;
  const known = TARGETS.map((target) => target.triple).join(" or ");
  throw new BuildError(`Target "${triple}" is not known; give --target ${known}`);
}
