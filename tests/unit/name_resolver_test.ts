import assert from "assert";
import { NameResolver } from "../../src/app/name_resolver.ts";
import { ViewerError } from "../../src/session/session_api.ts";
import { FakeClock, settle } from "../support/parts/fake_clock.ts";

const OF_CLIENT = { isConfigured: false } as const;
const CONFIGURED = { isConfigured: true } as const;

/** Names that begin with `slow` never get an answer. */
function setUp() {
  const asked: string[] = [];
  let address = "203.0.113.1";
  const clock = new FakeClock();
  const resolver = new NameResolver({
    clock,
    lookUp(name) {
      asked.push(name);
      if (name.startsWith("slow")) return new Promise(() => {});
      if (name.startsWith("none")) return Promise.reject(new Error("no such name"));
      return Promise.resolve([address]);
    },
  });
  return { asked, clock, resolver, moveTo: (next: string) => address = next };
}

function isRetryable(error: unknown): boolean {
  return error instanceof ViewerError && error.code === "too_many_offers" &&
    Number(error.retryAfterMs) > 0;
}

Deno.test("NameResolver: slow names of strangers hold up no name that is known or configured", async () => {
  const { clock, resolver } = setUp();
  await resolver.resolve("Good.example", OF_CLIENT);
  const slow = [1, 2, 3, 4].map((number) => resolver.resolve(`slow${number}`, OF_CLIENT));
  const refused = Promise.allSettled(slow);
  await settle();
  assert.deepEqual(await resolver.resolve("good.example", OF_CLIENT), ["203.0.113.1"]);
  assert.deepEqual(await resolver.resolve("pinhole.example", CONFIGURED), ["203.0.113.1"]);
  // A new one is told to come again, at once.
  await assert.rejects(resolver.resolve("new.example", OF_CLIENT), isRetryable);
  // What is known is better than nothing when it cannot be looked up again.
  await clock.advance(60_000);
  assert.deepEqual(await resolver.resolve("good.example", OF_CLIENT), ["203.0.113.1"]);
  for (const outcome of await refused) {
    assert.ok(outcome.status === "rejected" && isRetryable(outcome.reason));
  }
  assert.equal(clock.pending, 0);
});

Deno.test("NameResolver: an address is remembered for a while, a failure is not", async () => {
  const { asked, clock, resolver, moveTo } = setUp();
  for (let turn = 0; turn < 3; turn++) await resolver.resolve("good.example", OF_CLIENT);
  assert.deepEqual(asked, ["good.example"]);
  moveTo("203.0.113.2");
  await clock.advance(31_000);
  assert.deepEqual(await resolver.resolve("good.example", OF_CLIENT), ["203.0.113.2"]);
  for (let turn = 0; turn < 2; turn++) {
    await assert.rejects(resolver.resolve("none.example", OF_CLIENT), /no such name/);
  }
  assert.equal(asked.filter((name) => name === "none.example").length, 2);
});

Deno.test("NameResolver: what is remembered is bounded, and the newest stays", async () => {
  const { asked, resolver } = setUp();
  for (let number = 0; number < 200; number++) {
    await resolver.resolve(`n${number}.example`, OF_CLIENT);
  }
  asked.length = 0;
  await resolver.resolve("n199.example", OF_CLIENT);
  assert.deepEqual(asked, []);
  await resolver.resolve("n0.example", OF_CLIENT);
  assert.deepEqual(asked, ["n0.example"]);
});
