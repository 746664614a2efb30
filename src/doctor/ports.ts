import { type CheckResult, failed, ok } from "./result.ts";
import type { PortHolder } from "./sockets.ts";

/** What is known of the ports on this host. */
export interface LocalPorts {
  readonly protocol: "tcp" | "udp";
  readonly portMin: number;
  readonly portMax: number;
  /** Ports that the running server has bound; `undefined` when none runs. */
  readonly bound: readonly number[] | undefined;
  /** Ports that cannot be bound now, with what to say of each; only looked at when no server runs. */
  readonly refused: ReadonlyMap<number, string>;
  /** Who has a port, as far as that can be seen: not at all by the executable, to which Deno shows no /proc. */
  readonly holders: ReadonlyMap<number, PortHolder>;
  /** Who listens for HTTP. */
  readonly httpHolder: PortHolder | undefined;
}

/** Says which media ports the server lacks, and who has them. Pure. */
export function judgePorts(ports: LocalPorts): CheckResult[] {
  const { protocol, portMin, portMax, bound, refused, holders } = ports;
  const all = Array.from({ length: portMax - portMin + 1 }, (_, at) => portMin + at);
  const missing = bound === undefined
    ? all.filter((port) => refused.has(port))
    : all.filter((port) => !bound.includes(port));
  if (missing.length > 0) {
    return missing.map((port) =>
      judgeMissing(port, { protocol, holder: holders.get(port), refusal: refused.get(port) })
    );
  }
  const range = portMin === portMax ? `${portMin}` : `${portMin}-${portMax}`;
  const by = bound === undefined ? "free" : `bound by the running server${holderOf(ports)}`;
  return [
    ok("ports", `${protocol.toUpperCase()} ${range}: ${by}`, {
      values: { port_min: portMin, port_max: portMax },
    }),
  ];
}

function holderOf({ portMin, holders, httpHolder }: LocalPorts): string {
  const { process } = holders.get(portMin) ?? httpHolder ?? {};
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
      text: `${place} is taken by ${name} (process ${pid})`,
      fix: `End that program, or give it or webrtc.port_min and port_max other ports; ` +
        `then restart the server`,
      values: { process: name, pid },
    });
  }
  const look = `sudo ss -${protocol === "udp" ? "u" : "t"}lpn 'sport = :${port}'`;
  return failed("ports", {
    subject,
    text: holder === undefined
      ? `${place} ${refusal ?? "is not bound by the server"}`
      : `${place} is taken by a program that this user may not see`,
    fix:
      `\`${look}\` names the program that has it; when nobody has it any more, restart the server`,
  });
}
