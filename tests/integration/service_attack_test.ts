import assert from "assert";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { eventually } from "../support/deadline.ts";
import { ServiceProcess } from "../support/servers/service_process.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";

const SILENT = 300;
const BODIES = 50;
const FLOODERS = 3;
const SIGNALS = 100;

/** Lines of the log in any second, beside those that each signal has by itself. */
const LINES_PER_SECOND_MAX = 60;

/** What an attack may cost the server's process. */
const MORE_BYTES_MAX = 300 * 1024 * 1024;

const UTF8 = new TextEncoder();
const FOREVER =
  "POST /whep/other HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n" +
  "Content-Length: 10000\r\n\r\n";

/** Connections that say little, bodies that do not come, floods of offers, and garbage on the media ports. */
class Attack implements AsyncDisposable {
  /** Offers that were let in, which none should be. */
  letIn = 0;
  datagrams = 0;
  offers = 0;
  readonly #service: ServiceProcess;
  readonly #running: Promise<void>[] = [];
  readonly #pauses = new Set<Promise<void>>();
  #isOver = false;

  private constructor(service: ServiceProcess) {
    this.#service = service;
  }

  /** Begins; it goes on until it is disposed of. */
  static async begin(service: ServiceProcess): Promise<Attack> {
    const attack = new Attack(service);
    const { httpPort: port } = service;
    for (let count = 0; count < SILENT + BODIES; count++) {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      const said = count < SILENT ? count % 2 === 0 ? "" : "GET / HTTP/1.1\r\nX: " : FOREVER;
      attack.#running.push(attack.#hold(connection, said));
    }
    for (let count = 0; count < FLOODERS; count++) attack.#running.push(attack.#flood());
    attack.#running.push(attack.#sendGarbage());
    await eventually(() => attack.offers >= FLOODERS && attack.datagrams > 100, {
      what: "for the attack",
    });
    return attack;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    await Promise.all(this.#pauses);
  }

  #pause(ms: number): Promise<void> {
    const over = pause(ms).finally(() => this.#pauses.delete(over));
    this.#pauses.add(over);
    return over;
  }

  /** Says something, and then a byte now and then. */
  async #hold(connection: Deno.TcpConn, said: string): Promise<void> {
    try {
      await connection.write(UTF8.encode(said));
      while (!this.#isOver) {
        await this.#pause(500);
        if (said !== "") await connection.write(UTF8.encode("x"));
      }
    } catch {
      // The server has enough of it.
      while (!this.#isOver) await this.#pause(100);
    }
    connection.close();
  }

  async #flood(): Promise<void> {
    while (!this.#isOver) {
      const socket = new WebSocket(this.#service.signallingUrl(`flood-${this.offers % 50}`));
      const over = new Promise((resolve) => {
        socket.onerror = resolve;
        socket.onclose = resolve;
      });
      socket.onmessage = ({ data }) => {
        if (String(data).includes('"answer"')) this.letIn++;
      };
      socket.onopen = () => {
        for (let count = 0; count < 20; count++) {
          socket.send(JSON.stringify({ type: "offer", sdp: "nonsense", params: {} }));
        }
      };
      await Promise.race([over, this.#pause(200)]);
      socket.close();
      this.offers++;
      await Promise.race([over, this.#pause(1000)]);
      await this.#pause(5);
    }
  }

  async #sendGarbage(): Promise<void> {
    const sockets = Array.from({ length: 4 }, () => createSocket("udp4"));
    for (const socket of sockets) socket.on("error", () => {});
    while (!this.#isOver) {
      for (const socket of sockets) {
        for (const port of this.#service.mediaPorts) {
          const bytes = crypto.getRandomValues(new Uint8Array(this.datagrams % 1200 + 1));
          // Some of it looks like STUN, DTLS, and RTP.
          bytes[0] = [0, 22, 128, 255][this.datagrams % 4] ?? 0;
          socket.send(Buffer.from(bytes), port, "127.0.0.1", () => {});
          this.datagrams++;
        }
      }
      await this.#pause(2);
    }
    await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(done))));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Memory of a process that is in use, in bytes. */
function residentBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Expects that no second has more lines than it may. */
function expectQuiet(service: ServiceProcess): void {
  const seconds = new Map<string, string[]>();
  for (const line of service.log) {
    // Each signal has its own lines.
    if (/^(config_reload|reload_refused|restart_needed)/.test(line.event)) continue;
    const second = String(line.ts).slice(0, 19);
    seconds.set(second, [...seconds.get(second) ?? [], line.event]);
  }
  for (const [second, events] of seconds) {
    const text = `${second}: ${events.length} lines, such as ${new Set(events).values().toArray()}`;
    assert.ok(events.length <= LINES_PER_SECOND_MAX, text);
  }
}

Deno.test("service: under attack, a storm of SIGHUP with files good and bad costs the viewer nothing", async () => {
  await using service = await ServiceProcess.ready();
  await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
  const before = residentBytes(service.pid);
  await using attack = await Attack.begin(service);
  for (let count = 0; count < SIGNALS; count++) {
    const isBad = count % 3 === 0;
    service.writeConfig(isBad ? "\u0000garbage [[[ = " : `video.bitrate_kbps = ${500 + count}`);
    service.signal("SIGHUP");
    await pause(count % 10 === 0 ? 50 : 1);
  }
  service.writeConfig("video.bitrate_kbps = 999");
  service.signal("SIGHUP");
  await service.logs("config_reloaded");
  await viewer.receives(60);
  assert.equal(await service.status("/readyz"), 200);
  const offers = attack.offers;
  await eventually(() => attack.offers > offers + 10, { what: "for the attack to go on" });
  await viewer.receives(60);
  assert.equal(service.events("stopping").length, 0);
  assert.equal(attack.letIn, 0);
  const more = residentBytes(service.pid) - before;
  assert.ok(more < MORE_BYTES_MAX, `${more} bytes more`);
  expectQuiet(service);
  await attack[Symbol.asyncDispose]();
  service.signal("SIGTERM");
  assert.equal(await service.ended(), 0);
});

Deno.test("service: under attack, a drain ends when the viewer has left, and nobody new comes in", async () => {
  await using service = await ServiceProcess.ready({ config: "server.drain_s = 600" });
  await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
  await using _attack = await Attack.begin(service);
  service.signal("SIGTERM");
  assert.equal((await viewer.nextOf("notice")).code, "shutting_down");
  for (let count = 0; count < SIGNALS; count++) service.signal("SIGHUP");
  await viewer.receives(60);
  await using late = await WeriftViewer.join(service.signallingUrl("main"));
  assert.equal((await late.nextOf("error")).code, "shutting_down");
  assert.equal(await service.status("/readyz"), 503);
  await viewer.receives(60);
  viewer.send({ type: "bye" });
  assert.equal(await service.ended(), 0);
  expectQuiet(service);
});

Deno.test("service: under attack, a drain ends at its deadline though the viewer stays", async () => {
  await using service = await ServiceProcess.ready({ config: "server.drain_s = 3" });
  await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
  await using _attack = await Attack.begin(service);
  service.signal("SIGTERM");
  await viewer.nextOf("notice");
  assert.equal(await service.ended(), 0);
  assert.deepEqual(service.events("stop_took_too_long"), []);
  expectQuiet(service);
});
