import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { MESSAGE_BYTES_MAX, REQUEST_BODY_WAIT_MS } from "./limits.ts";

/** Why a body could not be read. */
export type BodyFailure = "too_long" | "too_slow" | "broken_off";

/** Reads a body up to its limits; hono's own has none in time, and does not tell a client that leaves from a failure. */
export async function readBody(
  { headers, body }: Request,
  clock: Clock = SYSTEM_CLOCK,
): Promise<string | { readonly failure: BodyFailure }> {
  if (Number(headers.get("Content-Length")) > MESSAGE_BYTES_MAX) return { failure: "too_long" };
  if (body === null) return "";
  const reader = body.getReader();
  let isLate = false;
  const cancelWait = clock.after(REQUEST_BODY_WAIT_MS, () => {
    isLate = true;
    void reader.cancel();
  });
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isLate) return { failure: "too_slow" };
      if (done) return await new Blob(chunks).text();
      chunks.push(value);
      length += value.length;
      if (length > MESSAGE_BYTES_MAX) return { failure: "too_long" };
    }
  } catch {
    return { failure: "broken_off" };
  } finally {
    cancelWait();
    // A body that is left unread would hold the answer back.
    void reader.cancel().catch(() => {});
  }
}
