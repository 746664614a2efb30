/**
 * Loaded in front of the server by a test: as soon as a file of that name appears, promises are rejected that nothing
 * awaits, and timers throw.
 */
const path = Deno.env.get("PINHOLE_TEST_DEFECTS") ?? "";
const timer = setInterval(() => {
  try {
    Deno.statSync(path);
  } catch {
    return;
  }
  clearInterval(timer);
  Promise.reject(new Error("a defect that nothing awaits"));
  setTimeout(() => {
    throw new Error("a defect in a timer");
  });
}, 50);
Deno.unrefTimer(timer);
