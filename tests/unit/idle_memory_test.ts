import assert from "assert";
import { PictureMemory } from "../../src/media/idle/picture_memory.ts";

function holdingOf(name: string) {
  return { name, bytes: 0, users: 0 };
}

/** Keeps a holding of so many bytes that nobody uses. */
function fill(memory: PictureMemory<ReturnType<typeof holdingOf>>, name: string, bytes: number) {
  const holding = holdingOf(name);
  memory.add(name, holding);
  assert.ok(memory.reserve(holding, bytes));
  memory.release(name, holding);
  return holding;
}

Deno.test("PictureMemory: the least recently used goes first, and only as much as is needed", () => {
  const memory = new PictureMemory<ReturnType<typeof holdingOf>>(100);
  const first = fill(memory, "first", 30);
  fill(memory, "second", 30);
  fill(memory, "third", 30);
  memory.use(first);
  memory.release("first", first);
  fill(memory, "fourth", 20);
  assert.deepEqual(
    ["first", "second", "third", "fourth"].map((name) => memory.get(name)?.bytes),
    [30, undefined, 30, 20],
  );
  assert.equal(memory.bytes, 80);
});

Deno.test("PictureMemory: what is in use stays", () => {
  const memory = new PictureMemory<ReturnType<typeof holdingOf>>(100);
  const used = fill(memory, "used", 60);
  memory.use(used);
  fill(memory, "unused", 30);
  const late = holdingOf("late");
  memory.add("late", late);
  assert.ok(memory.reserve(late, 40));
  assert.ok(!memory.reserve(late, 1));
  assert.equal(memory.get("used"), used);
  assert.equal(memory.get("unused"), undefined);
});

Deno.test("PictureMemory: who has nothing yet gets its first room always", () => {
  const memory = new PictureMemory<ReturnType<typeof holdingOf>>(100);
  const used = fill(memory, "used", 100);
  memory.use(used);
  const late = holdingOf("late");
  memory.add("late", late);
  assert.ok(memory.reserve(late, 10));
  assert.ok(!memory.reserve(late, 10));
  assert.equal(late.bytes, 10);
});

Deno.test("PictureMemory: room that was given back can be reserved again", () => {
  const memory = new PictureMemory<ReturnType<typeof holdingOf>>(100);
  const holding = fill(memory, "one", 100);
  memory.use(holding);
  memory.free(holding, 50);
  assert.ok(memory.reserve(holding, 50));
  assert.ok(!memory.reserve(holding, 1));
});

Deno.test("PictureMemory: removing leaves a newer one of the same key alone", () => {
  const memory = new PictureMemory<ReturnType<typeof holdingOf>>(100);
  const old = fill(memory, "key", 10);
  memory.remove("key", old);
  const newer = fill(memory, "key", 20);
  memory.remove("key", old);
  assert.equal(memory.get("key"), newer);
});
