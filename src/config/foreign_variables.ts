import { isIP } from "node:net";

/** What Kubernetes and Docker call protocols. */
const PROTOCOL = "(?:tcp|udp|sctp)";

const isAddress = (value: string) => isIP(value.replace(/^\[(.*)\]$/, "$1")) !== 0;
const isPort = (value: string) => /^\d{1,5}$/.test(value);
const isProtocol = (value: string) => new RegExp(`^${PROTOCOL}$`, "i").test(value);
const isEndpoint = (value: string) => new RegExp(`^${PROTOCOL}://\\S+:\\d{1,5}$`, "i").test(value);

/**
 * Ends of names, and what their values look like. Kubernetes sets those of a Service called `pinhole`, or `pinhole-web`,
 * in every pod of its namespace; a link of Docker sets most of them for a container with such a name. The values count
 * too, so that `PINHOLE_WEBRTC_PORT = 10111` is still told from a key.
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
  // The other container's own variables: they can be anything.
  [/^PINHOLE_(?:\d+_)?ENV_/, () => true],
];

/** Whether a variable is set by a container's host for a service of this name, and says nothing about the configuration. */
export function isOfOtherService(name: string, value: string): boolean {
  return KINDS.some(([end, fits]) => end.test(name) && fits(value));
}
