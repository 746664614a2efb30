import assert from "assert";
import { ClientProgram } from "../support/clients/client_program.ts";
import { eventually } from "../support/deadline.ts";
import { clientTest, startServerForClients } from "../support/clients/foreign_clients.ts";

clientTest("plays by WHEP until its DELETE", async (kind) => {
  await using server = await startServerForClients();
  await using program = new ClientProgram(kind);
  const endpoint = `http://${server.host}/whep/main`;
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: await program.offer({ video: 1, audio: 1 }),
  });
  assert.equal(response.status, 201);
  await program.answer(await response.text());
  await program.receives(30, "video", "audio");
  const resource = new URL(response.headers.get("Location") ?? "", endpoint);
  const { status, body } = await fetch(resource, { method: "DELETE" });
  await body?.cancel();
  assert.equal(status, 200);
  await eventually(async () => await server.usedPlaces() === 0, { what: "for the place" });
});
