/** How many sockets this process has open. */
export function countSockets(): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("socket:");
    } catch {
      // Closed since.
      return false;
    }
  }).length;
}
