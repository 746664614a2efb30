import { type CpuTimes, parseCpuTimes } from "./machine_load.ts";

/** What the CPU has done so far, for this process and for others; `undefined` where the system does not tell. */
export function readCpuTimes(): CpuTimes | undefined {
  try {
    const stat = Deno.readTextFileSync("/proc/stat");
    const processes: string[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d/.test(name)) continue;
      try {
        processes.push(Deno.readTextFileSync(`/proc/${name}/stat`));
      } catch {
        // It has ended.
      }
    }
    return parseCpuTimes({ stat, processes, pid: Deno.pid });
  } catch {
    return undefined;
  }
}
