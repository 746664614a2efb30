import { outputOf } from "./command.ts";
import { type CheckResult, ok, skipped, warning } from "./result.ts";

/** Rules of the usual firewalls; `undefined` for one that is missing or may not be read. */
export interface FirewallTexts {
  /** `nft list ruleset` */
  readonly nft: string | undefined;
  /** `iptables -S INPUT` */
  readonly iptables: string | undefined;
  /** /etc/ufw/ufw.conf */
  readonly ufw: string | undefined;
}

/**
 * Names the firewalls of this host that drop packets by default. Only a hint: the port checks show whether the rules
 * allow the ports. Pure.
 * @param isReached Whether every public port answered.
 */
export function judgeFirewall(
  texts: FirewallTexts,
  { isReached }: { isReached: boolean },
): CheckResult {
  const names = droppingFirewalls(texts);
  if (names.length > 0) {
    const text = `${names.join(" and ")}: packets that no rule accepts are dropped`;
    if (isReached) return ok("firewall", `${text}; every port answers`);
    return warning("firewall", {
      text,
      fix: "Allow UDP from webrtc.port_min to port_max; over loopback is enough if the tunnel " +
        "client runs on this host",
    });
  }
  const isKnown = Object.values(texts).some((text) => text !== undefined);
  if (isKnown) return ok("firewall", "No firewall on this host drops packets by default");
  return skipped(
    "firewall",
    "This user may not read the firewall's rules; `sudo nft list ruleset` shows them",
  );
}

function droppingFirewalls({ nft, iptables, ufw }: FirewallTexts): string[] {
  const names: string[] = [];
  if (/^\s*ENABLED\s*=\s*yes\s*$/mi.test(ufw ?? "")) names.push("ufw");
  if (/hook input [^}\n]*policy drop/.test(nft ?? "")) names.push("nftables");
  if (/^-P INPUT (DROP|REJECT)/m.test(iptables ?? "")) names.push("iptables");
  return names;
}

/** Reads the rules of this host's firewalls, as far as this user may. */
export async function readFirewalls(): Promise<FirewallTexts> {
  const [nft, iptables, ufw] = await Promise.all([
    outputOf("nft", ["list", "ruleset"]),
    outputOf("iptables", ["-S", "INPUT"]),
    Deno.readTextFile("/etc/ufw/ufw.conf").catch(() => undefined),
  ]);
  return { nft, iptables, ufw };
}
