/** A local port that is in use. */
export interface BoundSocket {
  /** IP literal; IPv4-mapped addresses as IPv4. */
  readonly hostname: string;
  readonly port: number;
  /** The kernel's inode number of the socket. */
  readonly inode: string;
}

/** The process that uses a port. */
export interface PortHolder {
  /** Its name, such as `nginx`; `undefined` if this user may not see it. */
  readonly process: { readonly name: string; readonly pid: number } | undefined;
}

/** TCP_LISTEN of Linux's include/net/tcp_states.h, in the form of /proc/net/tcp. */
const LISTENING = "0A";

/** Parses /proc/net/udp or /proc/net/tcp (or udp6, tcp6): UDP sockets, and listening TCP sockets. Pure. */
export function parseSockets(text: string, protocol: "tcp" | "udp"): BoundSocket[] {
  return text.split("\n").slice(1).flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const [, address = "", port = ""] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ??
      [];
    if (address === "" || (protocol === "tcp" && state !== LISTENING)) return [];
    return [{ hostname: parseAddress(address), port: Number.parseInt(port, 16), inode }];
  });
}

/** The kernel writes every four bytes of an address as one number in host byte order (little-endian). */
function parseAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? [])
    .flatMap((word) => [6, 4, 2, 0].map((at) => word.slice(at, at + 2)));
  const ipv4 = bytes.slice(-4).map((byte) => Number.parseInt(byte, 16)).join(".");
  if (bytes.length === 4 || /^0{20}ffff/i.test(bytes.join(""))) return ipv4;
  const groups = bytes.join("").match(/.{4}/g) ?? [];
  // The URL parser writes IPv6 in its short form (RFC 5952).
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** Whether two sockets conflict on a port: one has a wildcard address, or both have the same address. */
function isRival({ hostname }: BoundSocket, wanted: string): boolean {
  const every = ["0.0.0.0", "::"];
  return hostname === wanted || every.includes(hostname) || every.includes(wanted);
}

/**
 * Finds the process that uses each of these ports. Finds less, or nothing, without permission to inspect processes of
 * other users, and without /proc.
 */
export async function findHolders(
  protocol: "tcp" | "udp",
  wanted: { readonly hostname: string; readonly ports: readonly number[] },
): Promise<Map<number, PortHolder>> {
  const texts = await Promise.all([
    readProc(`/proc/net/${protocol}`),
    readProc(`/proc/net/${protocol}6`),
  ]);
  const sockets = texts.flatMap((text) => parseSockets(text, protocol))
    .filter((socket) => wanted.ports.includes(socket.port) && isRival(socket, wanted.hostname));
  if (sockets.length === 0) return new Map();
  const owners = findOwners(new Set(sockets.map(({ inode }) => inode)));
  return new Map(sockets.map(({ port, inode }) => [port, { process: owners.get(inode) }]));
}

/** Synchronous: a busy host has a hundred thousand descriptors, and asynchronous calls would take ten times as long. */
function findOwners(inodes: ReadonlySet<string>): Map<string, { name: string; pid: number }> {
  const owners = new Map<string, { name: string; pid: number }>();
  for (const pid of listProc("/proc")) {
    if (owners.size === inodes.size) break;
    if (!/^\d+$/.test(pid)) continue;
    for (const descriptor of listProc(`/proc/${pid}/fd`)) {
      const inode = socketOf(`/proc/${pid}/fd/${descriptor}`);
      if (inode === undefined || !inodes.has(inode)) continue;
      owners.set(inode, { name: nameOf(pid), pid: Number(pid) });
    }
  }
  return owners;
}

/** Names in a folder; empty if it has vanished or is not readable. */
function listProc(path: string): string[] {
  try {
    return Array.from(Deno.readDirSync(path), ({ name }) => name);
  } catch {
    return [];
  }
}

function socketOf(descriptor: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(descriptor))?.[1];
  } catch {
    return undefined;
  }
}

function nameOf(pid: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
  } catch {
    return "a program";
  }
}

async function readProc(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch(() => "");
}
