import assert from "assert";
import { fileURLToPath } from "node:url";
import { openRendererLibrary } from "../../src/renderer/library.ts";
import { compileTestRenderer } from "../support/renderers/native.ts";
import {
  failsWith,
  type Faulty,
  frameAt,
  openSession,
  warningsInto,
  withFaulty,
  withReference,
} from "../support/renderers/renderers.ts";

Deno.test("openRendererLibrary: a missing file is named", async () => {
  for (const path of ["/nowhere/libnothing.so", "libnothing.so"]) {
    await failsWith("library_missing", {
      message: new RegExp(`"${path}": there is no such file`),
      action: () => openRendererLibrary({ path, options: {} }),
    });
  }
});

Deno.test("openRendererLibrary: a file that is no shared library is refused as such", async () => {
  await failsWith("library_unloadable", {
    message: /renderer_library_test\.ts": it is not an ELF shared object$/,
    action: () => openRendererLibrary({ path: fileURLToPath(import.meta.url), options: {} }),
  });
});

Deno.test("openRendererLibrary: a library for another architecture is told by both, one that is not linked by its kind", async () => {
  const library = await Deno.readFile(await compileTestRenderer("faulty"));
  const [other, machine] = Deno.build.arch === "x86_64" ? ["aarch64", 183] : ["x86_64", 62];
  const path = await Deno.makeTempFile({ suffix: ".so" });
  const refused = async (message: RegExp, bytes: Readonly<Record<number, number>>) => {
    await Deno.writeFile(path, Object.assign(library.slice(), bytes));
    const action = () => openRendererLibrary({ path, options: {} });
    await failsWith("library_unloadable", { message, action });
  };
  const host = `this host is ${Deno.build.arch}`;
  try {
    await refused(new RegExp(`: it is built for ${other}, but ${host}$`), { 18: machine });
    await refused(new RegExp(`: it is built for i386, but ${host}$`), { 4: 1, 18: 3 });
    await refused(/ELF class and machine 2:251\), but this host/, { 18: 251 });
    await refused(/: it is an ELF file, but not a shared object/, { 16: 1 });
    await Deno.writeFile(path, library.slice(0, 10));
    const message = /: it is not an ELF shared object$/;
    await failsWith("library_unloadable", {
      message,
      action: () => openRendererLibrary({ path, options: {} }),
    });
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("openRendererLibrary: every missing symbol is named", async () => {
  for (
    const [macro, message] of [
      ["WITHOUT_RENDER", /does not export pinhole_session_close, pinhole_render$/],
      ["WITHOUT_VERSION", /does not export pinhole_abi_version$/],
    ] as const
  ) {
    const path = await compileTestRenderer("faulty", { defines: { [macro]: "1" } });
    await failsWith("symbol_missing", {
      message,
      action: () => openRendererLibrary({ path, options: {} }),
    });
  }
});

Deno.test("openRendererLibrary: another ABI version is refused, also where it lacks symbols", async () => {
  const defines = { VERSION: "2", WITHOUT_RENDER: "1" };
  const path = await compileTestRenderer("faulty", { defines });
  await failsWith("abi_version", {
    message: /ABI version 2, but this Pinhole needs version 1/,
    action: () => openRendererLibrary({ path, options: {} }),
  });
});

Deno.test("openRendererLibrary: a library that cannot open is quoted", async () => {
  const path = await compileTestRenderer("faulty");
  await failsWith("open_failed", {
    message: /faulty-\w+\.so: pinhole_open failed with status -7: No such device: \{"fault"/,
    action: () => openRendererLibrary({ path, options: { fault: "open_error" } }),
  });
  await failsWith("open_failed", {
    message: /succeeded but stored no object/,
    action: () => openRendererLibrary({ path, options: { fault: "open_nothing" } }),
  });
});

Deno.test("openRendererLibrary: sessions that cannot open at the same time have each their own text", async () => {
  await withFaulty(async ({ factory }) => {
    const params = { fault: "session_error" };
    await Promise.all(["a", "b", "c", "d"].map((sessionId) =>
      failsWith("session_open_failed", {
        message: new RegExp(`status -1: No place for ${sessionId} at 640x360, 30 fps$`),
        action: () => openSession(factory, { sessionId, params }),
      })
    ));
    await failsWith("session_open_failed", {
      message: /stored no object/,
      action: () => openSession(factory, { params: { fault: "session_nothing" } }),
    });
  });
});

Deno.test("openRendererLibrary: a renderer that fails to close is logged", async () => {
  const path = await compileTestRenderer("faulty");
  const warnings: Faulty["warnings"] = [];
  const options = { fault: "close_error" };
  const factory = await openRendererLibrary({ path, options, log: warningsInto(warnings) });
  await openSession(factory);
  await factory.close();
  assert.deepEqual(warnings, [
    { event: "renderer_close_failed", fields: { call: "pinhole_close", status: -9 } },
  ]);
  await assert.rejects(openSession(factory), TypeError);
});

Deno.test("LibrarySession.render: a frame that contradicts itself is refused by the field at fault", async () => {
  const faults = {
    untouched: /format is 0/,
    unknown_format: /format is 99/,
    odd_width: /width is 15/,
    huge_width: /width is 4294967294/,
    zero_height: /height is 0/,
    null_plane: /plane 1 is null/,
    short_stride: /plane 0 has a stride of 15 bytes, but a row has 16/,
    short_plane: /plane 1 has 63 bytes, but its rows need 64/,
  };
  await withFaulty(async ({ factory }) => {
    for (const [fault, message] of Object.entries(faults)) {
      const session = await openSession(factory, { params: { fault } });
      await failsWith("bad_frame", { message, action: () => session.render(1) });
    }
  });
});

Deno.test("LibrarySession.render: access units are handed on as they are", async () => {
  await withFaulty(async ({ factory }) => {
    const session = await openSession(factory, { params: { fault: "h264" } });
    const result = await session.render(1);
    assert(result.status === "frame" && result.frame.kind === "h264");
    assert(!result.frame.keyframe);
    assert.equal(result.frame.timestampUs, 1);
    assert(result.frame.data.byteLength > 0);
  });
});

Deno.test("LibrarySession.render: tells idle, end and errors apart, and goes on after an error", async () => {
  await withFaulty(async ({ factory }) => {
    for (const fault of ["idle", "end"]) {
      const session = await openSession(factory, { params: { fault } });
      assert.deepEqual(await session.render(0), { status: fault });
    }
    const failures = {
      error: /pinhole_render failed with status -42: Lost the device of one$/,
      long_error: /status -42: x{1024}$/,
      odd_status: /status 3: a status that the call cannot return$/,
    };
    for (const [fault, message] of Object.entries(failures)) {
      const session = await openSession(factory, { params: { fault } });
      for (let times = 0; times < 2; times++) {
        await failsWith("render_failed", { message, action: () => session.render(0) });
      }
    }
  });
});

Deno.test("LibrarySession.render: sessions that fail at the same time have each their own text", async () => {
  await withFaulty(async ({ factory }) => {
    await Promise.all(["a", "b", "c", "d"].map(async (sessionId) => {
      const session = await openSession(factory, { sessionId, params: { fault: "error" } });
      await failsWith("render_failed", {
        message: new RegExp(`device of ${sessionId}$`),
        action: () => session.render(0),
      });
    }));
  });
});

Deno.test("LibrarySession.render: a timestamp that is not given is the one asked for", async () => {
  await withFaulty(async ({ factory }) => {
    const expected = {
      none: 7000,
      no_timestamp: 7000,
      negative_timestamp: 7000,
      own_timestamp: 6500,
    };
    for (const [fault, timestampUs] of Object.entries(expected)) {
      const session = await openSession(factory, { params: { fault } });
      assert.equal((await frameAt(session, 7000)).timestampUs, timestampUs, fault);
    }
  });
});

Deno.test("LibrarySession.render: calls of different sessions overlap", async () => {
  await withFaulty(async ({ factory }) => {
    const params = { fault: "meet" };
    const sessions = await Promise.all([
      openSession(factory, { sessionId: "a", params }),
      openSession(factory, { sessionId: "b", params }),
    ]);
    // Each call returns a frame only when it finds the other one under way.
    await Promise.all(sessions.map((session) => frameAt(session, 1)));
  });
});

Deno.test("LibrarySession: calls of one session never overlap, closing included", async () => {
  await withFaulty(async ({ factory }) => {
    const session = await openSession(factory, { params: { fault: "slow" } });
    const rendering = session.render(0);
    session.message?.(new Uint8Array([1]));
    const again = session.render(1);
    const closing = session.close();
    assert.equal((await rendering).status, "frame");
    assert.equal((await again).status, "frame");
    await closing;
    await assert.rejects(session.render(2), TypeError);
  }, { defines: { WITH_MESSAGES: "1" } });
});

Deno.test("LibrarySession.message: bytes arrive in order, and the caller keeps its buffer", async () => {
  await withFaulty(async ({ factory }) => {
    const session = await openSession(factory);
    const buffer = new Uint8Array(1);
    for (const luma of [50, 60, 70]) {
      buffer[0] = luma;
      session.message?.(buffer);
    }
    buffer[0] = 1;
    assert.equal((await frameAt(session, 0)).planes[0]?.data[0], 70);
  }, { defines: { WITH_MESSAGES: "1" } });
});

Deno.test("LibrarySession.message: refusals are logged, too long and too many ones are dropped", async () => {
  await withFaulty(async ({ factory, warnings }) => {
    const session = await openSession(factory);
    const fates = Array.from(
      { length: 70 },
      (_, at) => session.message?.(new Uint8Array([at + 1])),
    );
    assert.deepEqual(fates.slice(0, 64), Array(64).fill(undefined));
    assert.deepEqual(fates.slice(64), Array(6).fill("too_many"));
    assert.equal((await frameAt(session, 0)).planes[0]?.data[0], 64);
    assert.equal(session.message?.(new Uint8Array(65537).fill(200)), "too_long");
    assert.equal((await frameAt(session, 0)).planes[0]?.data[0], 64);
    assert.equal(warnings.filter(({ event }) => event === "renderer_message_dropped").length, 7);
    session.message?.(new Uint8Array(0));
    await session.close();
    session.message?.(new Uint8Array([1]));
    const { event, fields } = warnings.at(-1) ?? {};
    assert.equal(event, "renderer_message_failed");
    assert.equal(fields?.session, "one");
    assert.match(String(fields?.error), /pinhole_message failed with status -1: An empty message/);
  }, { defines: { WITH_MESSAGES: "1" } });
});

Deno.test("LibrarySession.message: is not there when the library takes no messages", async () => {
  await withFaulty(async ({ factory }) => {
    assert.equal((await openSession(factory)).message, undefined);
  });
});

Deno.test("LibrarySession.close: a frame that is kept too long is empty", async () => {
  await withReference({ format: "i420" }, async (factory) => {
    const session = await openSession(factory);
    const frame = await frameAt(session, 0);
    assert.ok(frame.planes.every((plane) => plane.data.length > 0));
    await session.close();
    assert.deepEqual(frame.planes.map((plane) => plane.data.length), [0, 0, 0]);
  });
});
