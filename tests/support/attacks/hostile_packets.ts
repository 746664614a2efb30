import assert from "assert";
import type { SocketAddress } from "../../../src/base/ip.ts";
import { DTLS_CONTENT } from "../../../src/transport/dtls/dtls_records.ts";
import { formatBindingRequest } from "../../../src/transport/ice/stun_format.ts";
import { plainRecord } from "../clients/dtls_client.ts";
import type { Random } from "../random.ts";
import type { WeriftViewer } from "../clients/werift_viewer.ts";

/** Where the answer sends a viewer's packets: the media port, or what a tunnel has before it. */
export function mediaAddress({ answerSdp }: WeriftViewer): SocketAddress {
  const [, hostname, port] = /^a=candidate:\S+ 1 udp \d+ (\S+) (\d+)/m.exec(answerSdp) ?? [];
  return { hostname: hostname ?? assert.fail("no candidate"), port: Number(port) };
}

/** A check as the viewer itself would send it, by what the answer says. */
export function checkOf(
  viewer: WeriftViewer,
  options: { useCandidate?: boolean; password?: string } = {},
): Uint8Array<ArrayBuffer> {
  const value = (name: string, sdp: string) =>
    new RegExp(`^a=${name}:(.*)$`, "m").exec(sdp)?.[1]?.trim() ?? assert.fail(name);
  const own = viewer.peer.localDescription?.sdp ?? "";
  const ufrag = value("ice-ufrag", viewer.answerSdp);
  return formatBindingRequest({
    transactionId: new Uint8Array(12).fill(7),
    key: options.password ?? value("ice-pwd", viewer.answerSdp),
    username: `${ufrag}:${value("ice-ufrag", own)}`,
    priority: 1,
    role: "controlling",
    tieBreaker: 1n,
    useCandidate: options.useCandidate ?? false,
  });
}

/** A ClientHello that makes no sense, behind a header that does. */
function clientHello(random: Random): Uint8Array {
  const body = random.bytes(random.between(0, 200));
  const header = [1, 0, 0, body.length, 0, 0, 0, 0, 0, 0, 0, body.length];
  return plainRecord(DTLS_CONTENT.handshake, Uint8Array.of(...header, ...body));
}

/** Records that anybody could write, as whole datagrams. */
export function dtlsForgery(random: Random): Uint8Array {
  const hello = clientHello(random);
  switch (random.below(7)) {
    case 0:
      return hello;
    case 1:
      return Uint8Array.of(
        ...plainRecord(DTLS_CONTENT.changeCipherSpec, Uint8Array.of(1)),
        ...hello,
      );
    case 2:
      return plainRecord(
        DTLS_CONTENT.alert,
        Uint8Array.of(random.between(1, 2), random.pick([0, 40, 90])),
      );
    case 3:
      return plainRecord(random.between(20, 63), random.bytes(random.below(60)), {
        epoch: random.below(3),
      });
    case 4:
      return plainRecord(DTLS_CONTENT.handshake, random.bytes(random.between(12, 1_200)));
    case 5:
      return plainRecord(DTLS_CONTENT.alert, random.bytes(random.between(24, 60)), { epoch: 1 });
    default:
      return random.mutate(hello);
  }
}

/** A datagram of any kind. */
export function garbage(random: Random, check: Uint8Array): Uint8Array {
  switch (random.below(6)) {
    case 0:
      return random.mutate(check);
    case 1:
      return dtlsForgery(random);
    case 2:
      return Uint8Array.of(0x80, random.between(192, 223), ...random.bytes(random.below(300)));
    case 3:
      return Uint8Array.of(0x90, random.below(128), ...random.bytes(random.below(1_300)));
    case 4:
      return new Uint8Array(random.pick([0, 1, 1_500, 1_501, 65_000]));
    default:
      return random.bytes(random.below(1_500));
  }
}
