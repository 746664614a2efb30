import assert from "assert";
import type { ConfigOverrides } from "../support/servers/test_server.ts";
import { eventually } from "../support/deadline.ts";
import { doctorFaultTest, type Fault } from "../support/doctor/doctor_faults.ts";
import type { DoctorRoom, RoomDiagnosis, RoomOptions } from "../support/doctor/doctor_room.ts";
import { ADDRESSES } from "../support/network/netns.ts";
import { compileTestRenderer } from "../support/renderers/native.ts";

const NOT_SERVED = { isServed: false } as const;

/** A library that the doctor opens itself: no server runs. */
function withLibrary(
  library: string,
  options: Readonly<Record<string, unknown>> = {},
): RoomOptions {
  return { config: { renderer: { library, options } } };
}

/** A program on the host that has a port. */
function taking(listen: string, port: number): (room: DoctorRoom) => Promise<void> {
  const code = `${listen}; setInterval(() => {}, 1000)`;
  return async (room) => {
    room.start("host", [Deno.execPath(), "eval", "--unstable-net", code]);
    await eventually(
      async () => (await room.network.run("host", "ss -tuln")).includes(`:${port} `),
      { what: `for port ${port} to be taken` },
    );
  };
}

/** A firewall of the host. */
function dropping(rule: string): (room: DoctorRoom) => Promise<void> {
  return async ({ network }) => {
    await network.run(
      "host",
      `nft add table inet guard
      nft add chain inet guard input '{ type filter hook input priority 0; }'
      nft add rule inet guard input iif lo ${rule}`,
    );
  };
}

/** A library of another machine's code: the reference's, with another e_machine (ELF, "File header"). */
async function foreignLibrary(folder: string): Promise<void> {
  const bytes = await Deno.readFile(good);
  bytes[18] = bytes[18] === 0xb7 ? 0x3e : 0xb7;
  await Deno.writeFile(`${folder}/foreign.so`, bytes);
}

const good = await compileTestRenderer("bad_citizen");
const faulty = await compileTestRenderer("faulty");
const ofAnotherVersion = await compileTestRenderer("faulty", { defines: { VERSION: "2" } });
const crashing = { misbehave: "segfault", after: 0 };

const PATTERN_INSTEAD = (diagnosis: RoomDiagnosis): void => {
  const found = diagnosis.results.find(({ check }) => check === "webrtc");
  assert.equal(found?.status, "ok", "the rest is checked with the test pattern");
};

const SERVER_FAULTS: readonly Fault[] = [
  {
    name: "no server runs",
    ...NOT_SERVED,
    warning: { check: "server", text: /No server runs at .*:9000/, fix: /pinhole serve/ },
    also: ({ results }) => assert.equal(results[0]?.check, "server"),
  },
  {
    name: "no server runs, and one must",
    ...NOT_SERVED,
    args: ["--running"],
    failed: { check: "server", text: /No server runs at .*:9000/, fix: /pinhole serve/ },
    also: ({ results }) => assert.equal(results[0]?.check, "server"),
  },
  {
    name: "another program uses a media port",
    ...NOT_SERVED,
    plant: taking(
      'Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 10113 })',
      10_113,
    ),
    failed: { check: "ports", text: /UDP 10113 is in use by deno/, fix: /webrtc\.port_min/ },
  },
  {
    name: "another program uses the HTTP port",
    ...NOT_SERVED,
    plant: taking('Deno.serve({ port: 9000 }, () => new Response("mine"))', 9000),
    failed: { check: "server", text: /9000.*deno/, fix: /pinhole serve/ },
  },
  {
    name: "server.listen is on another port than the proxy's",
    config: { server: { listen: "127.0.0.1:9001" } },
    failed: { check: "frpc", text: /local port 9000.*local port 9001/, fix: /pinhole frpc/ },
  },
  {
    name: "server.listen is on ::1",
    config: { server: { listen: "[::1]:9000" } },
    failed: {
      check: "frpc",
      text:
        /gpu_server_api forwards to port 9000 of 127\.0\.0\.1 \(its localIP\).*server\.listen is ::1/,
      fix: /localIP = "::1"/,
    },
  },
  {
    name: "webrtc.listen is another address than the proxies' localIP",
    config: { webrtc: { listen: ADDRESSES.host } },
    failed: {
      check: "frpc",
      text: /udp_10111 forwards to port 10111 of 127\.0\.0\.1 .*webrtc\.listen is 198\.51\.100\.2/,
      fix: /localIP = "198\.51\.100\.2"/,
    },
  },
  {
    name: "a firewall of the host drops loopback",
    plant: dropping("drop"),
    failed: {
      check: "firewall",
      text: /127\.0\.0\.1:9000 does not answer.*firewall/,
      fix: /iif lo accept/,
    },
    also: ({ results }) => assert.ok(!results.some(({ text }) => /another program/.test(text))),
  },
  {
    name: "a firewall of the host drops UDP over loopback",
    plant: dropping("meta l4proto udp drop"),
    failed: {
      check: "firewall",
      text: /10111-10115\/udp\) does not answer.*firewall/,
      fix: /iif lo accept/,
    },
  },
  {
    name: "the clock is off by 120 s",
    plant: startLateClock,
    config: { server: { public_url: `http://${ADDRESSES.public}:8080` } },
    also: expectClock,
  },
  {
    name: "the clock is off by 120 s, and there are tokens",
    plant: startLateClock,
    prepare: async (room) => {
      await room.write("secret", "0123456789abcdef0123456789abcdef");
    },
    config: {
      server: { public_url: `http://${ADDRESSES.public}:8080` },
      auth: { secret_file: "ROOM/secret" },
    },
    also: expectClock,
  },
];

function expectClock({ results }: RoomDiagnosis): void {
  const clock = results.find(({ check }) => check === "clock");
  assert.equal(clock?.status, "warning");
  assert.match(clock?.text ?? "", /differ by -?1[12]\d s/);
}

/** A web server in front whose clock is two minutes late. */
async function startLateClock(room: DoctorRoom): Promise<void> {
  const script = await room.write(
    "late.ts",
    `
    for await (const near of Deno.listen({ port: 8080 })) {
      const far = await Deno.connect({ port: 10110 });
      const late = new TransformStream({
        transform(chunk, controller) {
          const text = new TextDecoder("latin1").decode(chunk);
          const at = /^date: (.*)\\r$/im.exec(text);
          if (at === null) return controller.enqueue(chunk);
          const date = new Date(Date.parse(at[1]) - 120_000).toUTCString();
          controller.enqueue(Uint8Array.from(text.replace(at[1], date), (char) => char.charCodeAt(0)));
        },
      });
      near.readable.pipeTo(far.writable).catch(() => {});
      far.readable.pipeThrough(late).pipeTo(near.writable).catch(() => {});
    }`,
  );
  const proxy = room.start("public", [Deno.execPath(), "run", "-A", script]);
  await eventually(async () => (await room.network.run("public", "ss -tln")).includes(":8080 "), {
    what: () => `for the late clock:\n${proxy.lastWords}`,
  });
}

const RENDERER_FAULTS: readonly Fault[] = [
  {
    name: "the library is missing",
    ...NOT_SERVED,
    ...withLibrary("ROOM/missing.so"),
    failed: { check: "renderer", text: /missing\.so.*no such file/, fix: /renderer-test/ },
    also: PATTERN_INSTEAD,
  },
  {
    name: "the library is for another machine",
    ...NOT_SERVED,
    ...withLibrary("ROOM/foreign.so"),
    prepare: ({ folder }) => foreignLibrary(folder),
    failed: { check: "renderer", text: /foreign\.so/, fix: /renderer-test/ },
  },
  {
    name: "the library has another ABI version",
    ...NOT_SERVED,
    ...withLibrary(ofAnotherVersion),
    failed: { check: "renderer", text: /ABI version 2/, fix: /renderer-test/ },
  },
  {
    name: "the library crashes in pinhole_open",
    ...NOT_SERVED,
    ...withLibrary(faulty, { fault: "open_crash" }),
    failed: {
      check: "renderer",
      text: /crashed \(SIGABRT\) in pinhole_open/,
      fix: /renderer-test/,
    },
    also: PATTERN_INSTEAD,
  },
  {
    name: "the library crashes in pinhole_render, and no server runs",
    ...NOT_SERVED,
    ...withLibrary(good, crashing),
    failed: {
      check: "renderer",
      text: /crashed \(SIGSEGV\) in pinhole_render/,
      fix: /renderer-test/,
    },
    also: PATTERN_INSTEAD,
  },
  {
    name: "the library works, and no server runs",
    ...NOT_SERVED,
    ...withLibrary(good),
    also: PATTERN_INSTEAD,
  },
  {
    name: "the library works in the running server",
    ...withLibrary(good),
    also: ({ results }) => {
      const line = results.find(({ check }) => check === "renderer");
      assert.match(line?.text ?? "", /viewers see its frames/);
    },
  },
  {
    name: "the library crashes in every render, isolated",
    config: { renderer: { library: good, isolation: "process", options: crashing } },
    // Between two crashes the library's process is missing; after some the server gives the session up.
    failed: {
      check: "renderer",
      text: /viewers see the idle picture|the server closed the session/,
      fix: /renderer-test/,
    },
  },
  {
    name: "the library fails in every render",
    ...withLibrary(good, { misbehave: "error_always", after: 0 }),
    failed: {
      check: "renderer",
      text: /\d+ calls in a row failed: .*viewers see the idle picture/,
      fix: /renderer-test/,
    },
  },
  {
    name: "the library crashes in every render, not isolated",
    ...withLibrary(good, crashing),
    failed: {
      check: "renderer",
      text: /server ended after the doctor's viewer/,
      fix: /renderer-test.*renderer\.isolation/,
    },
  },
  {
    name: "the bridge has no writer",
    config: { renderer: { bridge: `doctor-faults-${Deno.pid}` } },
    failed: { check: "renderer", text: /no writer is connected.*idle picture/, fix: /bridge/ },
  },
  {
    name: "the idle picture is broken",
    ...NOT_SERVED,
    config: { idle: { source: "ROOM/idle.png" } },
    prepare: async (room) => {
      await room.write("idle.png", "no picture");
    },
    failed: { check: "server", text: /idle/, fix: /pinhole serve/ },
  },
];

/** A configuration that cannot be used. */
function unusable(name: string, doctorConfig: ConfigOverrides, more: Partial<Fault> = {}): Fault {
  return { name, ...NOT_SERVED, doctorConfig, code: 2, ...more };
}

const CONFIG_FAULTS: readonly Fault[] = [
  unusable("the secret is missing", { auth: { secret_file: "ROOM/secret" } }, {
    failed: { check: "config", text: /secret/, fix: /pinhole check/ },
  }),
  unusable("others can read the secret", { auth: { secret_file: "ROOM/secret" } }, {
    prepare: async (room) => {
      await Deno.chmod(await room.write("secret", "0123456789abcdef0123456789abcdef"), 0o644);
    },
    failed: { check: "config", text: /secret/, fix: /pinhole check/ },
  }),
  unusable("the URL has a path", { server: { public_url: `http://${ADDRESSES.public}/pinhole` } }, {
    failed: { check: "config", text: /server\.public_url/, fix: /pinhole check/ },
  }),
  unusable("a key is unknown", { webrtc: { publik_ip: ADDRESSES.public } }, {
    failed: { check: "config", text: /webrtc\.publik_ip/, fix: /pinhole check/ },
  }),
];

doctorFaultTest("the host", [...SERVER_FAULTS, ...CONFIG_FAULTS]);
doctorFaultTest("the renderer", RENDERER_FAULTS);
