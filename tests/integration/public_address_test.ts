import assert from "assert";
import { eventually } from "../support/deadline.ts";
import { ServerProcess } from "../support/server_process.ts";

Deno.test("public address: a name that has none is said at start, and the server runs", async () => {
  const name = "no-such-host.invalid";
  await using server = await ServerProcess.start({ config: { "webrtc.public_ip": name } });
  const warning = () => server.log.find(({ event }) => event === "public_address_unknown");
  await eventually(() => warning() !== undefined, { what: "for the warning" });
  assert.match(String(warning()?.error), /webrtc\.public_ip = "no-such-host\.invalid"/);
});
