import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

/** One file of the page or the browser client. */
export interface Asset {
  /** Media type with charset, such as `text/html; charset=utf-8`. */
  readonly type: string;
  readonly body: string;
}

/** Supported content codings (RFC 9110 §8.4.1), the smallest first. Browsers accept `br` only over TLS. */
const CODINGS = ["br", "gzip"] as const;
type Coding = typeof CODINGS[number];

/** Compress on a thread, so that pictures are not delayed. */
const COMPRESS: Readonly<Record<Coding, (body: string) => Promise<Uint8Array<ArrayBuffer>>>> = {
  br: async (body) =>
    new Uint8Array(
      await promisify(brotliCompress)(body, {
        params: { [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT },
      }),
    ),
  gzip: async (body) => new Uint8Array(await promisify(gzip)(body, { level: 9 })),
};

/** Shorter texts, in characters, fit into one packet uncompressed. */
const COMPRESSED_CHARS_MIN = 1000;

/**
 * Creates the handler of requests for `asset`, compressed if the client accepts that. Browsers cache it and revalidate
 * it each time (RFC 9110 §13.1.2), so that a new server is never combined with an old client.
 */
export function assetResponder({ type, body }: Asset): (request: Request) => Promise<Response> {
  const digest = createHash("sha256").update(body).digest("base64url").slice(0, 22);
  const isCompressed = body.length >= COMPRESSED_CHARS_MIN;
  const headers = {
    "Content-Type": type,
    "Cache-Control": "no-cache",
    // Pages of other origins import the client as a module, which requires this header.
    "Access-Control-Allow-Origin": "*",
    ...(isCompressed && { "Vary": "Accept-Encoding" }),
  };
  const compressed = new Map<Coding, Promise<Uint8Array<ArrayBuffer>>>();
  const compress = (coding: Coding) => {
    const found = compressed.get(coding) ?? COMPRESS[coding](body);
    compressed.set(coding, found);
    return found;
  };
  return async (request) => {
    const coding = isCompressed ? chooseCoding(request.headers.get("Accept-Encoding")) : undefined;
    // Different bytes need a different tag (RFC 9110 §8.8.3.3).
    const etag = coding === undefined ? `"${digest}"` : `"${digest}-${coding}"`;
    if (hasEtag(request.headers.get("If-None-Match"), etag)) {
      return new Response(null, { status: 304, headers: { ...headers, "ETag": etag } });
    }
    if (coding === undefined) return new Response(body, { headers: { ...headers, "ETag": etag } });
    return new Response(await compress(coding), {
      headers: { ...headers, "ETag": etag, "Content-Encoding": coding },
    });
  };
}

/**
 * The best coding that a client accepts, `undefined` for none.
 * @param accepted Its `Accept-Encoding` (RFC 9110 §12.5.3); without one it gets no coding.
 */
export function chooseCoding(accepted: string | null): Coding | undefined {
  const weights = new Map(
    accepted?.toLowerCase().split(",").map((part): [coding: string, weight: number] => {
      const [coding = "", ...parameters] = part.split(";").map((word) => word.trim());
      const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
      return [coding, Number(weight ?? 1)];
    }),
  );
  return CODINGS.find((coding) => (weights.get(coding) ?? weights.get("*") ?? 0) > 0);
}

/** Weak comparison, as If-None-Match requires: a proxy that compresses marks the tag as weak. */
function hasEtag(ifNoneMatch: string | null, etag: string): boolean {
  return ifNoneMatch?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag) ?? false;
}
