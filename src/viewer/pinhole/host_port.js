// @ts-check
/** Hosts with ports, as people and URLs write them. @module */

/**
 * An IPv6 address stands in brackets, as in `src/base/host_port.ts`.
 * @param {string} host @param {string | number} port
 */
export function formatHostPort(host, port) {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
