import { type Clock, SYSTEM_CLOCK } from "../base/clock.ts";
import { CLIENT_MESSAGE_BYTES_MAX, REQUEST_BODY_WAIT_MS } from "./limits.ts";

/** Why a body could not be read. */
export type BodyFailure = "too_long" | "too_slow" | "broken_off";

/**
 * Reads a body within its limits; hono's function has no time limit, and does not distinguish a client that leaves
 * from a failure.
 */
export async function readBody(
  { headers, body }: Request,
  clock: Clock = SYSTEM_CLOCK,
): Promise<string | { readonly failure: BodyFailure }> {
  if (Number(headers.get("Content-Length")) > CLIENT_MESSAGE_BYTES_MAX) {
    return { failure: "too_long" };
  }
  if (body === null) return "";
  const reader = body.getReader();
  let isLate = false;
  const cancelWait = clock.after(REQUEST_BODY_WAIT_MS, () => {
    isLate = true;
    void reader.cancel();
  });
  const text = new GrowingText();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isLate) return { failure: "too_slow" };
      if (done) return text.decode();
      if (text.length + value.length > CLIENT_MESSAGE_BYTES_MAX) return { failure: "too_long" };
      text.append(value);
    }
  } catch {
    return { failure: "broken_off" };
  } finally {
    cancelWait();
    // An unread body would delay the response.
    void reader.cancel().catch(() => {});
  }
}

/** Collects bytes of text in one buffer, because a separate chunk costs over 100 bytes, however short it is. */
class GrowingText {
  #bytes = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }

  /** Decodes UTF-8; invalid bytes are replaced. */
  decode(): string {
    return new TextDecoder().decode(this.#bytes.subarray(0, this.#length));
  }
}
