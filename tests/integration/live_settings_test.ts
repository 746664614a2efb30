import assert from "assert";
import { LiveSettings } from "../../src/app/live.ts";
import { SecretError } from "../../src/app/secret.ts";
import { NULL_LOGGER } from "../../src/base/log.ts";
import { freePortRange, testConfig } from "../support/test_server.ts";

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
