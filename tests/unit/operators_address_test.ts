import assert from "assert";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { createOperatorsApp } from "../../src/signalling/http_app.ts";
import { NO_CONNECTION } from "../support/parts/fake_sessions.ts";
import { STATUS_ASSETS } from "../../src/viewer/assets.ts";

Deno.test("operators' address: has the status page and all that it asks for, and nothing for viewers", async () => {
  const app = createOperatorsApp({
    assets: STATUS_ASSETS,
    health: () => ["warming up"],
    metricsText: () => Promise.resolve("pinhole_sessions 0\n"),
    sessionsJson: () => [{ id: "main" }],
    portsJson: () => [{ port: 10_111, used: 0, places: 1 }],
    site: () => ({ allowedOrigins: [] }),
    log: NULL_LOGGER,
  });
  const get = async (path: string): Promise<readonly [status: number, text: string]> => {
    const response = await app(new Request(`http://127.0.0.1:9001${path}`), NO_CONNECTION);
    return [response.status, await response.text()];
  };
  for (const [path, { body }] of STATUS_ASSETS) assert.deepEqual(await get(path), [200, body]);
  assert.deepEqual(await get("/api/sessions"), [200, '[{"id":"main"}]']);
  assert.deepEqual(await get("/api/ports"), [200, '[{"port":10111,"used":0,"places":1}]']);
  assert.deepEqual(await get("/metrics"), [200, "pinhole_sessions 0\n"]);
  assert.deepEqual(await get("/healthz"), [200, "ok\n"]);
  assert.deepEqual(await get("/readyz"), [503, "warming up\n"]);
  for (const path of ["/", "/ws/main", "/whep/main", "/api/path-check"]) {
    assert.equal((await get(path))[0], 404, path);
  }
});
