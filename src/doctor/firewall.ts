import { outputOf } from "./command.ts";
import { type CheckResult, ok, skipped, warning } from "./result.ts";

/** Texts of the usual firewalls; `undefined` where one is missing or may not be read. */
export interface FirewallTexts {
  /** `nft list ruleset` */
  readonly nft: string | undefined;
  /** `iptables -S INPUT` */
  readonly iptables: string | undefined;
  /** /etc/ufw/ufw.conf */
  readonly ufw: string | undefined;
}

/**
 * Says which firewall of this host drops what no rule accepts. Only a hint: whether its rules let the ports in is seen
 * by the checks of the ports. Pure.
 * @param isReached Whether every public port answered.
 */
export function judgeFirewall(
  texts: FirewallTexts,
  { isReached }: { isReached: boolean },
): CheckResult {
  const names = droppingFirewalls(texts);
  if (names.length > 0) {
    const text = `${names.join(" and ")}: what no rule accepts is dropped`;
    if (isReached) return ok("firewall", `${text}, and every port answers`);
    return warning("firewall", {
      text,
      fix: "Let the UDP ports of webrtc.port_min to port_max in, or over loopback " +
        "when the tunnel client runs on this host",
    });
  }
  const isKnown = Object.values(texts).some((text) => text !== undefined);
  if (isKnown) return ok("firewall", "No firewall of this host drops by default");
  return skipped(
    "firewall",
    "This user may not read its rules; `sudo nft list ruleset` shows them",
  );
}

function droppingFirewalls({ nft, iptables, ufw }: FirewallTexts): string[] {
  const names: string[] = [];
  if (/^\s*ENABLED\s*=\s*yes\s*$/mi.test(ufw ?? "")) names.push("ufw");
  if (/hook input [^}\n]*policy drop/.test(nft ?? "")) names.push("nftables");
  if (/^-P INPUT (DROP|REJECT)/m.test(iptables ?? "")) names.push("iptables");
  return names;
}

/** Reads what this user may read of this host's firewalls. */
export async function readFirewalls(): Promise<FirewallTexts> {
  const [nft, iptables, ufw] = await Promise.all([
    outputOf("nft", ["list", "ruleset"]),
    outputOf("iptables", ["-S", "INPUT"]),
    Deno.readTextFile("/etc/ufw/ufw.conf").catch(() => undefined),
  ]);
  return { nft, iptables, ufw };
}
