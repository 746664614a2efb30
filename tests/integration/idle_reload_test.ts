import assert from "assert";
import { IdleSources } from "../../src/app/idle.ts";
import { LiveSettings } from "../../src/app/live_settings.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { ConfigError } from "../../src/config/load.ts";
import { IdleFiles, lumaAt } from "../support/media/idle_library.ts";
import { encodePng } from "../support/media/idle_media.ts";
import { testConfig } from "../support/servers/test_server.ts";

const FORMAT = { width: 64, height: 64, fps: 25 };
const WHITE = encodePng({ width: 32, height: 32 }, () => [255, 255, 255]);
const BLACK = encodePng({ width: 32, height: 32 }, () => [0, 0, 0]);

function configWith(idle: Record<string, unknown>, others: Record<string, unknown> = {}) {
  return testConfig({ idle, sessions: others }, { portMin: 20_000, portMax: 20_001 });
}

Deno.test("IdleSources: sessions to come see the new pictures, those that are open keep theirs", async () => {
  await using files = new IdleFiles();
  const [white, black] = [await files.write("w.png", WHITE), await files.write("b.png", BLACK)];
  const sources = await IdleSources.open(configWith({ source: white }), NULL_LOGGER);
  const former = await sources.clip(undefined, FORMAT);
  const exchange = await sources.prepare(configWith({ source: black }));
  assert.ok(lumaAt((await sources.clip(undefined, FORMAT)).frameAt(0), 32, 32) > 200, "not yet");
  exchange();
  const next = await sources.clip(undefined, FORMAT);
  assert.ok(lumaAt(next.frameAt(0), 32, 32) < 50);
  assert.ok(lumaAt(former.frameAt(0), 32, 32) > 200);
  await sources.close();
});

Deno.test("LiveSettings: with one thing wrong, nothing changes", async () => {
  await using files = new IdleFiles();
  const white = await files.write("w.png", WHITE);
  const running = configWith({ source: white });
  await using live = await LiveSettings.open(running, NULL_LOGGER);
  const wanted = configWith({ source: "/nowhere.png" }, { viewers_per_session: 3 });
  await assert.rejects(live.change(wanted), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /idle\.source.*nowhere/);
    return true;
  });
  assert.deepEqual(live.config, running);
  const { live: changed } = await live.change(configWith({ source: white }, {
    viewers_per_session: 3,
  }));
  assert.deepEqual(changed, ["sessions.viewers_per_session"]);
  assert.equal(live.config.sessions.viewersPerSession, 3);
});
