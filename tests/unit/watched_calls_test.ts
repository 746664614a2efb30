import assert from "assert";
import { LIBRARY_SYMBOLS, type RendererLibrary } from "../../src/renderer/library_symbols.ts";
import { type CallState, watchCalls } from "../../src/renderer/watched_calls.ts";
import { settle } from "../support/parts/fake_clock.ts";

/** A library whose calls return when the test says so, and what its listener heard. */
function setUp() {
  const returns: ((status: number) => void)[] = [];
  const call = () => new Promise<number>((resolve) => returns.push(resolve));
  const names = Object.keys(LIBRARY_SYMBOLS).filter((name) => name !== "pinhole_audio");
  const symbols = {
    ...Object.fromEntries(names.map((name) => [name, call])),
    pinhole_audio: null,
  } as unknown as RendererLibrary["symbols"];
  const states: CallState[] = [];
  const watched = watchCalls({ symbols, close() {} }, (state) => states.push(state));
  const end = async (status = 0) => {
    returns.shift()?.(status);
    await settle();
  };
  return { symbols: watched.symbols, states, now: () => states.at(-1), end };
}

const RENDERER = Deno.UnsafePointer.create(0x1000n);

/** Opens a session at an address. */
async function openSession(
  { symbols, end }: ReturnType<typeof setUp>,
  { id, address }: { id: string; address: bigint },
): Promise<Deno.PointerObject | null> {
  const text = (value: string) => new TextEncoder().encode(`${value}\0`);
  const out = new BigUint64Array(1);
  void symbols.pinhole_session_open(RENDERER, text(id), text("{}"), 64, 36, 25, out);
  out[0] = address;
  await end();
  return Deno.UnsafePointer.create(address);
}

Deno.test("watchCalls: a call is told before it is made, and its session's calls are counted by function", async () => {
  const parts = setUp();
  const { symbols, now, end } = parts;
  void symbols.pinhole_open(new Uint8Array(1), new BigUint64Array(1));
  assert.deepEqual(now(), { running: ["pinhole_open"], last: undefined });
  await end();
  assert.deepEqual(now(), { running: [], last: "pinhole_open" });
  const session = await openSession(parts, { id: "one", address: 0x2000n });
  assert.equal(now()?.last, 'pinhole_session_open of session "one", 64×36');
  for (const number of [1, 2]) {
    void symbols.pinhole_render(session, 0n, new Uint8Array(1));
    const words = `pinhole_render, call ${number} of session "one", 64×36`;
    assert.deepEqual(now()?.running, [words]);
    await end(-1);
    void symbols.pinhole_last_error(null, session, new Uint8Array(1), 1n);
    assert.match(now()?.running[0] ?? "", /^pinhole_last_error, call \d of session "one"/);
    assert.equal(now()?.last, words);
    await end();
  }
});

Deno.test("watchCalls: calls at the same time are told together", async () => {
  const parts = setUp();
  const one = await openSession(parts, { id: "one", address: 0x2000n });
  const two = await openSession(parts, { id: "two", address: 0x3000n });
  for (const session of [one, two]) {
    void parts.symbols.pinhole_render(session, 0n, new Uint8Array(1));
  }
  assert.deepEqual(parts.now()?.running, [
    'pinhole_render, call 1 of session "one", 64×36',
    'pinhole_render, call 1 of session "two", 64×36',
  ]);
  await parts.end();
  await parts.end();
});

Deno.test("watchCalls: an address that is used again is another session; functions that are not there stay so", async () => {
  const parts = setUp();
  const address = 0x2000n;
  const session = await openSession(parts, { id: "one", address });
  void parts.symbols.pinhole_session_close(session);
  await parts.end();
  await openSession(parts, { id: "two", address });
  void parts.symbols.pinhole_render(session, 0n, new Uint8Array(1));
  assert.match(parts.now()?.running[0] ?? "", /call 1 of session "two"/);
  await parts.end();
  assert.equal(parts.symbols.pinhole_audio, null);
});
