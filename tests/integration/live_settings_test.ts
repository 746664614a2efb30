import assert from "assert";
import { LiveSettings } from "../../src/app/live_settings.ts";
import { SecretError } from "../../src/app/secret.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { freePortRange, startTestServer, testConfig } from "../support/servers/test_server.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

Deno.test("LiveSettings: a reload never takes the secret away, since that would let everybody in", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/secret`;
  await Deno.writeTextFile(path, "0123456789abcdef".repeat(3), { mode: 0o600 });
  const ports = freePortRange(1);
  const guarded = testConfig({ auth: { secret_file: path } }, ports);
  const open = testConfig({}, ports);
  {
    await using live = await LiveSettings.open(guarded, NULL_LOGGER);
    await assert.rejects(live.change(open), SecretError);
    assert.equal(await live.access(new Request("http://a/"), "any_session"), undefined);
    assert.equal(live.config.auth.secretFile, path);
  }
  await using live = await LiveSettings.open(open, NULL_LOGGER);
  await live.change(guarded);
  assert.equal(await live.access(new Request("http://a/"), "any_session"), undefined);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("LiveSettings: a reload changes between which rates the viewers that are there are kept", async () => {
  await using server = await startTestServer({ video: { bitrate_kbps: 400 } });
  await using viewer = await WeriftViewer.play(server.signallingUrl("main"));
  const target = async () => (await server.sessions())[0]?.viewers[0]?.target_kbps;
  assert.equal(await target(), 400);
  await server.reload({ video: { bitrate_kbps: 200 } });
  assert.equal(await target(), 200);
  await server.reload({ video: { bitrate_kbps: 400, min_bitrate_kbps: 350 } });
  const raised = await target() ?? Number.NaN;
  assert.ok(raised >= 350 && raised <= 400, `${raised}`);
  await viewer.receives(10);
});
