/** Why the native addon with FFmpeg does not load, and what to do. */
export interface AddonProblem {
  /** A clause that ends a sentence. */
  readonly reason: string;
  readonly fix: string;
}

/** How node-av begins the message of an addon that it cannot load. */
const FAILURE = /^Could not load the node-av native binding/;

const ELSEWHERE = "Unpack to a folder on another disk: set CACHE_DIRECTORY for the " +
  "self-extracting executable, TMPDIR for one made by `deno compile`";

/** Known reasons, by what Deno and the system's loader write. The first that matches counts. */
const REASONS: readonly (AddonProblem & { readonly pattern: RegExp })[] = [
  {
    pattern: /Requires ffi access/,
    reason: "the program may not load native libraries",
    fix: "Give Deno --allow-ffi, as the task `start` in deno.json does",
  },
  {
    pattern: /Requires (?:read|env|sys) access/,
    reason: "the program may not read its own files",
    fix: "Give Deno the permissions of the task `start` in deno.json",
  },
  {
    pattern: /failed to map segment/,
    reason: "its disk is mounted noexec, or a policy forbids to run what is on it",
    fix: ELSEWHERE,
  },
  {
    pattern: /No space left|os error 28\b/,
    reason: "no space is left on the disk",
    fix: `Make room. ${ELSEWHERE}`,
  },
  {
    pattern: /Read-only file system|Permission denied|os error (?:13|30)\b/,
    reason: "it cannot be unpacked or read",
    fix: ELSEWHERE,
  },
  {
    pattern: /GLIBC(?:XX)?_[\d.]+' not found/,
    reason: "the system's C or C++ library is older than it needs",
    fix: "Use a newer release of the system, such as Debian 12",
  },
  {
    pattern: /file too short|invalid ELF header|wrong ELF class|ELF load command/,
    reason: "its file is damaged, or made for another machine",
    fix: "Remove the unpacked folder and start again; or copy the executable again",
  },
];

/**
 * Explains an error of importing `node-av`. Pure.
 * @returns `undefined` if the error is another one.
 */
export function explainAddonError(error: unknown): AddonProblem | undefined {
  if (!(error instanceof Error) || !FAILURE.test(error.message)) return undefined;
  const { message } = error;
  const known = REASONS.find(({ pattern }) => pattern.test(message));
  if (known !== undefined) return { reason: known.reason, fix: known.fix };
  const [detail = "no reason is given"] = message.split("\n").filter((line) => /^\s+\S/.test(line));
  return {
    reason: detail.trim(),
    fix: "Copy the executable again; from source, run `deno install`",
  };
}
