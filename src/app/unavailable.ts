import type { Config } from "../config/config.ts";
import type { Problem } from "../config/problem.ts";

/**
 * Keys of the configuration that this version knows and cannot obey yet. A server that ignored one of them would do
 * something else than its operator asked for (serve without tokens, say), so it does not start.
 */
export function unavailableKeys(config: Config, source: string): Problem[] {
  const used: readonly (readonly [key: string, isUsed: boolean])[] = [
    ["webrtc.tcp", config.webrtc.tcp],
  ];
  return used.filter(([, isUsed]) => isUsed).map(([key]) => ({
    source,
    key,
    rule: "this version cannot do that yet; leave the key at its default",
  }));
}
