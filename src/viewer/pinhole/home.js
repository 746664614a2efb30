// @ts-check
/** Where this client comes from, and with it the server that it belongs to. @module */

/** This file lies in a folder beside the client's main file, unless it has been bundled into that. */
const HERE = import.meta.url.replace(/pinhole\/home\.js$/, "");

/**
 * Address of a server, as the folder that its other addresses are in: a path prefix in front of all of them is kept.
 * @param {string | URL} [server] Default: where this client was loaded from.
 * @throws {TypeError} When it is no URL.
 */
export function serverUrl(server) {
  if (server === undefined) return new URL(".", HERE);
  const url = new URL(server);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
