/** Linux counts CPU time for user programs in hundredths of a second, whatever the kernel's own clock (proc(5)). */
const TICKS_PER_SECOND = 100;

/** CPU time that a process has used, user and system, all its threads, in seconds. Linux only. */
export async function cpuSeconds(pid: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, which may hold spaces; the fields after it may not.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])];
  return (userTicks + systemTicks) / TICKS_PER_SECOND;
}

/** Memory of a process that is in RAM, in MiB. Linux only. */
export async function residentMib(pid: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(text)?.[1]) / 1024;
}
