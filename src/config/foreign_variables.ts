import { isIP } from "node:net";

/** The protocol names of Kubernetes and Docker. */
const PROTOCOL = "(?:tcp|udp|sctp)";

const isAddress = (value: string) => isIP(value.replace(/^\[(.*)\]$/, "$1")) !== 0;
const isPort = (value: string) => /^\d{1,5}$/.test(value);
const isProtocol = (value: string) => new RegExp(`^${PROTOCOL}$`, "i").test(value);
const isEndpoint = (value: string) => new RegExp(`^${PROTOCOL}://\\S+:\\d{1,5}$`, "i").test(value);

/**
 * Name suffixes with the form of their values. Kubernetes sets these for a Service called `pinhole`, or `pinhole-web`,
 * in every pod of its namespace; a Docker link sets most of them for a container with such a name. The value must match
 * too, so that `PINHOLE_WEBRTC_PORT = 10111` is still reported as an unknown variable.
 */
const KINDS: readonly (readonly [end: RegExp, fits: (value: string) => boolean])[] = [
  [/_SERVICE_HOST$/, isAddress],
  [/_SERVICE_PORT(?:_[A-Z0-9_]+)?$/, isPort],
  [/_PORT$/, isEndpoint],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)(?:_START|_END)?$/, isEndpoint],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_PROTO$/, isProtocol],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_PORT(?:_START|_END)?$/, isPort],
  [/_PORT_\d+_(?:TCP|UDP|SCTP)_ADDR$/, isAddress],
  [/_NAME$/, (value) => value.startsWith("/")],
  // The environment of the other container, with any names and values.
  [/^PINHOLE_(?:\d+_)?ENV_/, () => true],
];

/** Whether Kubernetes or Docker sets this variable for another service, so that it is not part of the configuration. */
export function isOfOtherService(name: string, value: string): boolean {
  return KINDS.some(([end, fits]) => end.test(name) && fits(value));
}
