// @ts-check
/** Formats of hosts with ports. @module */

/**
 * IPv6 addresses are in brackets, as in `src/base/host_port.ts`.
 * @param {string} host @param {string | number} port
 */
export function formatHostPort(host, port) {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
