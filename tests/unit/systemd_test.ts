import assert from "assert";
import { openNotifySocket } from "../../src/app/notify_socket.ts";
import { readServiceEnvironment, ServiceManager } from "../../src/observability/systemd.ts";
import { FakeClock } from "../support/parts/fake_clock.ts";

const PID = 4711;

function setUp(watchdogMs?: number) {
  const told: string[] = [];
  const clock = new FakeClock();
  const state: { stuck?: string; status: string } = { status: "idle" };
  const manager = new ServiceManager({
    send: (datagram) => void told.push(new TextDecoder().decode(datagram)),
    watchdogMs,
    status: () => state.status,
    stuck: () => state.stuck,
    clock,
  });
  return { told, clock, state, manager };
}

Deno.test("readServiceEnvironment: nothing without a socket, the watchdog only for this process", () => {
  const socket = { NOTIFY_SOCKET: "/run/systemd/notify" };
  const read = (variables: Record<string, string>) => readServiceEnvironment(variables, PID);
  assert.equal(read({}), undefined);
  assert.equal(read({ NOTIFY_SOCKET: "vsock:2:1" }), undefined);
  assert.deepEqual(read(socket), { notifySocket: "/run/systemd/notify", watchdogMs: undefined });
  const watched = { ...socket, WATCHDOG_USEC: "20000000" };
  assert.equal(read(watched)?.watchdogMs, 20_000);
  assert.equal(read({ ...watched, WATCHDOG_PID: String(PID) })?.watchdogMs, 20_000);
  assert.equal(read({ ...watched, WATCHDOG_PID: "1" })?.watchdogMs, undefined);
  for (const odd of ["0", "-5", "1e9", "soon"]) {
    assert.equal(read({ ...socket, WATCHDOG_USEC: odd })?.watchdogMs, undefined);
  }
});

Deno.test("ServiceManager: READY comes first, STOPPING asks for the time that it takes", async () => {
  const { told, clock, manager } = setUp();
  await clock.advance(60_000);
  assert.deepEqual(told, [], "nothing before the service is up");
  manager.ready();
  manager.stopping(12_500);
  assert.deepEqual(told, [
    "READY=1\n",
    "STATUS=idle\n",
    "STOPPING=1\nEXTEND_TIMEOUT_USEC=12500000\n",
  ]);
  manager[Symbol.dispose]();
});

Deno.test("ServiceManager: the status line is sent when it has changed, and is one line", async () => {
  const { told, clock, state, manager } = setUp();
  manager.ready();
  told.length = 0;
  await clock.advance(30_000);
  assert.deepEqual(told, []);
  state.status = "2 sessions,\n3 viewers";
  await clock.advance(5_000);
  assert.deepEqual(told, ["STATUS=2 sessions, 3 viewers\n"]);
  manager[Symbol.dispose]();
});

Deno.test("ServiceManager: feeds the watchdog at half its time, and not while the work is stuck", async () => {
  const { told, clock, state, manager } = setUp(10_000);
  manager.ready();
  told.length = 0;
  await clock.advance(20_000);
  assert.deepEqual(told, Array.from({ length: 4 }, () => "WATCHDOG=1\n"));
  state.stuck = "session a has shown nothing for 12 s";
  told.length = 0;
  await clock.advance(10_000);
  const line = "STATUS=Stuck: session a has shown nothing for 12 s\n";
  assert.deepEqual(told, [line, line]);
  delete state.stuck;
  told.length = 0;
  await clock.advance(5_000);
  assert.deepEqual(told.sort(), ["STATUS=idle\n", "WATCHDOG=1\n"], "it may come back by itself");
  manager[Symbol.dispose]();
  told.length = 0;
  await clock.advance(60_000);
  assert.deepEqual([told, clock.pending], [[], 0]);
});

Deno.test("openNotifySocket: datagrams arrive at a socket that another program has bound", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/notify`;
  const systemd = Deno.listenDatagram({ transport: "unixpacket", path });
  using socket = openNotifySocket(path);
  assert.ok(socket.send(new TextEncoder().encode("READY=1\n")));
  const [datagram] = await systemd.receive();
  assert.equal(new TextDecoder().decode(datagram), "READY=1\n");
  systemd.close();
  await Deno.remove(folder, { recursive: true });
  assert.ok(!socket.send(new TextEncoder().encode("WATCHDOG=1\n")), "nobody is there any more");
  using abstract = openNotifySocket("@pinhole-test-nobody");
  assert.ok(!abstract.send(new Uint8Array(1)));
  assert.throws(() => openNotifySocket(`/${"x".repeat(200)}`), /too long/);
});
