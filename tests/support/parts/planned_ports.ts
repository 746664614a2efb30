import type { PlannedPort } from "../../../src/base/public_ports.ts";
import { planReach, type ReachSettings } from "../../../src/config/reach.ts";

/** A range of media ports as a configuration plans it: UDP alone, and public numbers that are the local ones. */
export function plannedRange(
  range: Pick<ReachSettings, "portMin" | "portMax"> & Partial<ReachSettings>,
): readonly PlannedPort[] {
  const usual = { publicPortMin: 0, udp: true, tcp: false, publicPorts: [] };
  return planReach({ ...usual, ...range }, undefined).ports;
}
