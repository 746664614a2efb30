import type { AnnouncedPort, PathCheckApi } from "../signalling/path_check.ts";
import { PATH_CHECK_TTL_MS, type PathProbe } from "../transport/ice/path_probe.ts";
import type { PublicAddress, PublicAddresses } from "../base/public_ports.ts";
import type { PublicAddressFinder } from "./public_address.ts";

/** The places of one local port, with the transports of each. */
type Announced = readonly Pick<AnnouncedPort, "address" | "port" | "transports">[];

/** Path checks that announce the same public addresses as answers. */
export function createPathChecks(
  { probe, ports, publicAddresses, publicPort }: {
    probe: PathProbe;
    /** The local media ports. */
    ports: readonly {
      readonly port: number;
      readonly takesUdp: boolean;
      readonly takesTcp: boolean;
    }[];
    publicAddresses: PublicAddressFinder;
    publicPort: (localPort: number) => number;
  },
): PathCheckApi {
  const announce = async (reachedHost: string) => {
    const outcomes = await Promise.allSettled(ports.map(async ({ port, takesUdp, takesTcp }) => {
      const { udp, tcp } = await publicAddresses(port, reachedHost);
      const usable = { udp: takesUdp ? udp : undefined, tcp: takesTcp ? tcp : undefined };
      return [port, announcementsOf(usable)] as const;
    }));
    const found = outcomes.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
    const [first] = outcomes;
    // A port whose name does not resolve is left out: viewers of the others can be checked.
    if (found.length === 0 && first?.status === "rejected") throw first.reason;
    return new Map(found);
  };
  return {
    async open(reachedHost) {
      // Addresses first: if that fails, no check is opened, which would end an older one.
      const announced = await announce(reachedHost);
      const check = probe.open();
      return {
        id: check.id,
        expiresInMs: PATH_CHECK_TTL_MS,
        ports: check.ports.flatMap(({ localPort, credentials }) =>
          (announced.get(localPort) ?? []).map((place) => ({ localPort, ...place, credentials }))
        ),
      };
    },
    report: (id) =>
      probe.find(id)?.ports.map(({ localPort, arrivals }) => ({
        localPort,
        port: publicPort(localPort),
        arrivals,
      })),
  };
}

/** One for both transports if they have the same place. */
function announcementsOf({ udp, tcp }: PublicAddresses): Announced {
  if (udp !== undefined && tcp !== undefined && isSame(udp, tcp)) {
    return [{ ...udp, transports: ["udp", "tcp"] }];
  }
  return [
    ...(udp === undefined ? [] : [{ ...udp, transports: ["udp"] as const }]),
    ...(tcp === undefined ? [] : [{ ...tcp, transports: ["tcp"] as const }]),
  ];
}

function isSame(one: PublicAddress, other: PublicAddress): boolean {
  return one.address === other.address && one.port === other.port;
}
