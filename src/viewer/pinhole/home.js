// @ts-check
/** The address from which this client was loaded, which is the default server. @module */

/** This file is in a folder beside the client's main file, unless it is bundled into it. */
const HERE = import.meta.url.replace(/pinhole\/home\.js$/, "");

/**
 * Address of a server, as the base of its other URLs; keeps a path prefix.
 * @param {string | URL} [server] Default: the server from which this client was loaded.
 * @throws {TypeError} When it is not a URL.
 */
export function serverUrl(server) {
  if (server === undefined) return new URL(".", HERE);
  const url = new URL(server);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
