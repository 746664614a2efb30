import assert from "assert";
import { quote } from "../../src/base/quote.ts";

Deno.test("quote: what does not show, or turns the text around, is escaped", () => {
  assert.equal(
    quote("104\x7f105\x9b\u202e\u2028\u{e0001}\n"),
    String.raw`"104\u{7f}105\u{9b}\u{202e}\u{2028}\u{e0001}\n"`,
  );
  assert.equal(quote("größe 💥"), '"größe 💥"');
});

Deno.test("quote: text is cut to forty characters", () => {
  assert.equal(quote("x".repeat(41)), `"${"x".repeat(40)}…"`);
});
