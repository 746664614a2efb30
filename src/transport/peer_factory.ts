import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { VideoCodec } from "../media/encoder.ts";
import type { MediaPort } from "../ports/media_port.ts";
import { SharedPaths } from "../rate/shared_paths.ts";
import type { TransportMeter } from "./metrics.ts";
import { isFurtherOffer, isLateOffer, readUsableOffer, unusedSections } from "./offer_reader.ts";
import { WebRtcPeer } from "./peer.ts";
import { candidatesOf } from "./peer_answer.ts";
import type { PathProbe } from "./ice/path_probe.ts";
import type { PeerFactory } from "./peer_transport.ts";
import { PortMux } from "./port_mux.ts";
import type { ServerCertificate } from "./dtls/server_certificate.ts";

/** Options that all peers of a process share. */
export interface PeerFactoryOptions {
  /** Bound ports; the caller closes them, after every peer. */
  readonly ports: readonly MediaPort[];
  /** Video codecs that may be sent, best first. */
  readonly codecs: readonly VideoCodec[];
  readonly certificate: ServerCertificate;
  /** Answers path checks on all ports; missing: there are none. */
  readonly probe?: PathProbe;
  readonly clock: Clock;
  readonly meter: TransportMeter;
  readonly log: Logger;
}

/** Listens on the ports and creates a connection for each accepted offer. */
export function createPeerFactory(options: PeerFactoryOptions): PeerFactory {
  const { clock, meter, log, certificate, probe } = options;
  const shared = { clock, meter, log, ...(probe === undefined ? {} : { probe }) };
  const paths = new SharedPaths({ changed: (sizes) => countShared(sizes, meter) });
  const muxes = new Map(
    options.ports.map((port) => [port.port, new PortMux(port, shared)]),
  );
  return {
    read(sdp) {
      const offer = readUsableOffer(sdp, options.codecs);
      return {
        codec: offer.video.choice.codec,
        unused: unusedSections(offer, options.codecs),
        continues: (identity) => isFurtherOffer(offer.offer, identity),
        isLateFor: (ended) => isLateOffer(offer.offer, ended),
        accept({ localPort, publicAddresses, ...accepted }) {
          const mux = muxes.get(localPort);
          if (mux === undefined) throw new RangeError(`Port ${localPort} is not bound`);
          // Before there is a peer, which would have to be closed if this fails.
          const candidates = candidatesOf(publicAddresses, mux);
          return new WebRtcPeer({
            offer,
            mux,
            candidates,
            paths,
            codecs: options.codecs,
            certificate,
            clock,
            meter,
            log,
            ...accepted,
          });
        },
      };
    },
  };
}

/** Sets the gauges of viewers that share a bottleneck. */
function countShared(groupSizes: readonly number[], meter: TransportMeter): void {
  meter.gauge("shared_paths", groupSizes.length);
  meter.gauge("shared_path_viewers", groupSizes.reduce((sum, size) => sum + size, 0));
}
