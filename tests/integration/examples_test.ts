import assert from "assert";
import { compileLibrary } from "../support/native.ts";
import { frameAt, openSession, withLibrary } from "../support/renderers.ts";

const GREY = new URL("../../examples/c/grey.c", import.meta.url);

Deno.test("examples/c: compiles without a warning, and its grey brightens", async () => {
  await withLibrary(await compileLibrary(GREY), async (factory) => {
    const session = await openSession(factory, { sessionId: "demo" });
    for (const [timestampUs, grey] of [[20_000, 1], [2_000_000, 100]] as const) {
      const frame = await frameAt(session, timestampUs);
      assert.equal(frame.format, "bgr24");
      assert.ok(frame.planes[0]?.data.every((value) => value === grey));
    }
    await session.close();
  });
});
