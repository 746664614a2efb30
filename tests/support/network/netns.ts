/**
 * Three network namespaces as three machines: the operator's GPU host, the public server, and a stranger who opens the
 * page. All of them are on one segment whose addresses do not meet: the host has none that the stranger can reach.
 */

/** The machines. */
export const PLACES = ["host", "public", "stranger"] as const;
/** One of {@link PLACES}. */
export type Place = typeof PLACES[number];

/** Addresses of the machines (RFC 5737). `other` is a second one of the public server, where a test adds it. */
export const ADDRESSES = {
  host: "198.51.100.2",
  public: "203.0.113.1",
  other: "203.0.113.9",
  /** On the segment, and no machine's. */
  unused: "203.0.113.77",
  stranger: "203.0.113.50",
} as const;

/** Why namespaces cannot be made here; the environment is what all test files of one run share. */
const REFUSAL_VARIABLE = "PINHOLE_TEST_NO_NETNS";

let made = 0;

/** Why this user, or this machine, has no network namespaces; `undefined` where it has. Looks once. */
export function namespaceRefusal(): string | undefined {
  const known = Deno.env.get(REFUSAL_VARIABLE);
  if (known !== undefined) return known === "" ? undefined : known;
  const name = `pinhole-try-${Deno.pid}`;
  const refusal = tryTo("ip", ["netns", "add", name]) ??
    tryTo("ip", ["-n", name, "link", "add", "one", "type", "veth", "peer", "name", "two"]) ??
    tryTo("ip", ["netns", "exec", name, "nft", "list", "ruleset"]);
  tryTo("ip", ["netns", "del", name]);
  Deno.env.set(REFUSAL_VARIABLE, refusal ?? "");
  return refusal;
}

/** @returns Why a command did not run well; `undefined` when it did. */
function tryTo(program: string, args: readonly string[]): string | undefined {
  try {
    const { success, stderr } = new Deno.Command(program, { args: [...args] }).outputSync();
    return success ? undefined : `${program}: ${new TextDecoder().decode(stderr).trim()}`;
  } catch (error) {
    return `${program}: ${error instanceof Error ? error.message : error}`;
  }
}

/** The three machines, connected. `await using` removes them and ends nothing that runs there. */
export class NetworkTriple implements AsyncDisposable {
  readonly #prefix: string;

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @throws {Error} With the words of `ip`, where namespaces cannot be made. */
  static async create(): Promise<NetworkTriple> {
    const triple = new NetworkTriple(`pinhole-${Deno.pid}-${made++}`);
    try {
      await triple.#connect();
      return triple;
    } catch (error) {
      await triple[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The command line that runs another one on a machine. */
  command(place: Place, command: readonly string[]): [program: string, ...args: string[]] {
    return ["ip", "netns", "exec", this.#name(place), ...command];
  }

  /**
   * Runs a command of the shell on a machine to its end.
   * @returns What it printed.
   * @throws {Error} With its words, when it fails.
   */
  async run(place: Place, script: string): Promise<string> {
    return await output(this.command(place, ["sh", "-ec", script]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const place of PLACES) {
      // One that was not made yet is not there to be removed.
      await output(["ip", "netns", "del", this.#name(place)]).catch(() => {});
    }
  }

  #name(place: Place): string {
    return `${this.#prefix}-${place}`;
  }

  async #connect(): Promise<void> {
    for (const place of PLACES) {
      await output(["ip", "netns", "add", this.#name(place)]);
      await this.run(place, "ip link set lo up");
    }
    const wire = (place: Place) => `
      ip link add to_${place} type veth peer name eth0 netns ${this.#name(place)}
      ip link set to_${place} up master segment`;
    await this.run(
      "public",
      `ip link add segment type bridge
      ip addr add ${ADDRESSES.public}/24 dev segment
      ip link set segment up
      ${wire("host")}
      ${wire("stranger")}
      ip route add 198.51.100.0/24 dev segment`,
    );
    await this.run(
      "host",
      `ip addr add ${ADDRESSES.host}/24 dev eth0
      ip link set eth0 up
      ip route add 203.0.113.0/24 dev eth0`,
    );
    await this.run(
      "stranger",
      `ip addr add ${ADDRESSES.stranger}/24 dev eth0
      ip link set eth0 up`,
    );
  }
}

async function output([program, ...args]: readonly [string, ...string[]]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(`${program} ${args.join(" ")}: ${decoder.decode(stderr).trim()}`);
}
