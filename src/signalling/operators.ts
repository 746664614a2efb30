import type { Context, Hono } from "hono";
import type { AccessCheck, Purpose } from "./access.ts";
import { hostRefusalText } from "./refusals.ts";
import { mayBeRebound, type SiteOptions } from "./origins.ts";

/** Data for operators. */
export interface OperatorsOptions {
  /** The metrics in the text format of Prometheus. */
  readonly metricsText: () => Promise<string>;
  /** Content of `/api/sessions`, any JSON value. */
  readonly sessionsJson: () => unknown;
  /** Content of `/api/ports`, any JSON value. */
  readonly portsJson: () => unknown;
  /** Content of `/api/server`, any JSON value. Missing: there is no such path. */
  readonly serverJson?: () => unknown;
  /** Checks access tokens; missing: no tokens are needed. */
  readonly access?: AccessCheck;
}

/** Media type of Prometheus' text format, version 0.0.4. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const NO_STORE = { "Cache-Control": "no-store" };

/**
 * Adds `/metrics`, `/api/sessions`, `/api/ports` and `/api/server`. If tokens are needed, metrics and session list
 * need different ones.
 */
export function addOperators(app: Hono, options: OperatorsOptions & SiteOptions): void {
  const { metricsText, sessionsJson, portsJson, serverJson } = options;
  const get = (path: string, handler: (c: Context) => Promise<Response>) => {
    app.get(path, async (c) => {
      // Without tokens, a page of another site must not read what its visitor may read.
      if (options.access === undefined && mayBeRebound(c.req.raw, options.site())) {
        return c.text(`${hostRefusalText(c.req.raw)}\n`, 403);
      }
      return await handler(c);
    });
  };
  get("/metrics", async (c) => {
    if (await isAllowed(c, "metrics", options)) {
      return c.body(await metricsText(), 200, { ...NO_STORE, "Content-Type": METRICS_TYPE });
    }
    return refuse(c, "This path needs a token from `pinhole token --metrics`");
  });
  const documents = {
    "/api/sessions": sessionsJson,
    "/api/ports": portsJson,
    ...(serverJson && { "/api/server": serverJson }),
  };
  for (const [path, json] of Object.entries(documents)) {
    get(path, async (c) => {
      // The first contains every session, so all of these need a token for every session.
      if (await isAllowed(c, "all_sessions", options)) return c.json(json(), 200, NO_STORE);
      return refuse(c, "This path needs a token from `pinhole token --session '*'`");
    });
  }
}

async function isAllowed(
  c: Context,
  purpose: Purpose,
  { access }: OperatorsOptions,
): Promise<boolean> {
  return access === undefined || await access(c.req.raw, purpose) !== undefined;
}

function refuse(c: Context, message: string): Response {
  return c.text(`${message}\n`, 401, { "WWW-Authenticate": 'Bearer realm="pinhole"' });
}
