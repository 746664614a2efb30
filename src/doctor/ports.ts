import { formatPortList } from "../base/public_ports.ts";
import { type CheckResult, failed, ok } from "./result.ts";
import type { PortHolder } from "./sockets.ts";

/** Findings about the ports of this host. */
export interface LocalPorts {
  readonly protocol: "tcp" | "udp";
  /** Those that the server should have bound, in rising order; at least one. */
  readonly ports: readonly number[];
  /** Ports that the running server has bound; `undefined` if none runs. */
  readonly bound: readonly number[] | undefined;
  /** Ports that cannot be bound now, with the reason; only checked if no server runs. */
  readonly refused: ReadonlyMap<number, string>;
  /** Process that uses each port, as far as visible: the executable has no permission to read /proc. */
  readonly holders: ReadonlyMap<number, PortHolder>;
  /** Process that listens for HTTP. */
  readonly httpHolder: PortHolder | undefined;
}

/** Reports the media ports that the server lacks, and which process uses them. Pure. */
export function judgePorts(ports: LocalPorts): CheckResult[] {
  const { protocol, ports: all, bound, refused, holders } = ports;
  const missing = bound === undefined
    ? all.filter((port) => refused.has(port))
    : all.filter((port) => !bound.includes(port));
  if (missing.length > 0) {
    return missing.map((port) =>
      judgeMissing(port, { protocol, holder: holders.get(port), refusal: refused.get(port) })
    );
  }
  const by = bound === undefined ? "free" : `bound by the running server${holderOf(ports)}`;
  return [
    ok("ports", `${protocol.toUpperCase()} ${formatPortList(all)}: ${by}`, {
      values: { port_min: Math.min(...all), port_max: Math.max(...all) },
    }),
  ];
}

function holderOf({ ports: [first = 0], holders, httpHolder }: LocalPorts): string {
  const { process } = holders.get(first) ?? httpHolder ?? {};
  return process === undefined ? "" : ` (${process.name}, process ${process.pid})`;
}

function judgeMissing(
  port: number,
  { protocol, holder, refusal }: {
    protocol: "tcp" | "udp";
    holder: PortHolder | undefined;
    refusal: string | undefined;
  },
): CheckResult {
  const subject = protocol === "udp" ? `${port}` : `${port}/tcp`;
  const place = `${protocol.toUpperCase()} ${port}`;
  const process = holder?.process;
  if (process !== undefined) {
    const { name, pid } = process;
    return failed("ports", {
      subject,
      text: `${place} is in use by ${name} (process ${pid})`,
      fix: "Stop that program, move it to another port, or change webrtc.port_min and port_max; " +
        "then restart the server",
      values: { process: name, pid },
    });
  }
  const look = `sudo ss -${protocol === "udp" ? "u" : "t"}lpn 'sport = :${port}'`;
  return failed("ports", {
    subject,
    text: holder === undefined
      ? `${place} ${refusal ?? "is not bound by the server"}`
      : `${place} is in use by a program that this user may not see`,
    fix: `\`${look}\` names the program that uses it; once the port is free, restart the server`,
  });
}
