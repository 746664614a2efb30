import type { PathCheckApi } from "../signalling/path_check.ts";
import { PATH_CHECK_TTL_MS, type PathProbe } from "../transport/ice/path_probe.ts";
import type { PublicAddressFinder } from "./public_address.ts";

const UDP = ["udp"] as const;
const BOTH = ["udp", "tcp"] as const;

/** Path checks that announce the same public addresses as answers. */
export function createPathChecks(
  { probe, ports, publicAddress, publicPort }: {
    probe: PathProbe;
    /** The local media ports. */
    ports: readonly { readonly port: number; readonly takesTcp: boolean }[];
    publicAddress: PublicAddressFinder;
    publicPort: (localPort: number) => number;
  },
): PathCheckApi {
  const announce = async (reachedHost: string) =>
    new Map(
      await Promise.all(ports.map(async ({ port, takesTcp }) => {
        const address = await publicAddress(port, reachedHost);
        return [port, { ...address, transports: takesTcp ? BOTH : UDP }] as const;
      })),
    );
  return {
    async open(reachedHost) {
      // Addresses first: if that fails, no check is opened, which would end an older one.
      const announced = await announce(reachedHost);
      const check = probe.open();
      return {
        id: check.id,
        expiresInMs: PATH_CHECK_TTL_MS,
        ports: check.ports.flatMap(({ localPort, credentials }) => {
          const announcement = announced.get(localPort);
          return announcement === undefined ? [] : [{ localPort, ...announcement, credentials }];
        }),
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
