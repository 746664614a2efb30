import assert from "assert";
import { RTCPeerConnection, useH264 } from "werift";
import { mintToken } from "../../src/signalling/access.ts";
import type { SessionReport } from "../../src/session/report.ts";
import { cpuSeconds, residentMib } from "../bench/process_usage.ts";
import { within } from "../support/deadline.ts";
import { compileReference, compileTestRenderer } from "../support/renderers/native.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { ServiceProcess } from "../support/servers/service_process.ts";
import { ONE_SOCKET, type ServerMessage, WeriftViewer } from "../support/clients/werift_viewer.ts";

/** A small picture, so that tests are light, and room for several viewers. */
const SMALL = {
  "video.width": 160,
  "video.height": 120,
  "webrtc.peers_per_port": 2,
} as const;

/** How long a flood goes on, in milliseconds: without bounds it takes a core, and hundreds of MiB, in that time. */
const FLOOD_MS = 15_000;

/** Growth in MiB that is garbage yet to be collected. */
const GROWTH_MIB_MAX = 80;

/** Debian's package `faketime`: lies to a process about the time. */
const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const HOUR_S = 3_600;

/** werift repeats a flight of its handshake after this time unless it was answered, and only then drops the timer. */
const FLIGHT_TIMER_MS = 1_100;

/** What the reference library answers a message to. */
const QUESTION = JSON.stringify({ type: "figures" });

/** A viewer with an open data channel that from then on only answers for its path: no RTCP, no SCTP, nothing. */
class DeafViewer implements AsyncDisposable {
  readonly messages: ServerMessage[] = [];
  readonly #socket: WebSocket;
  readonly #opened: Promise<unknown>;
  readonly #closed: Promise<unknown>;
  readonly #peer: RTCPeerConnection;

  private constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#opened = new Promise((resolve) => this.#socket.onopen = resolve);
    this.#closed = new Promise((resolve) => this.#socket.onclose = resolve);
    this.#peer = new RTCPeerConnection({
      bundlePolicy: "max-bundle",
      iceServers: [],
      ...ONE_SOCKET,
      codecs: { video: [useH264()] },
    });
  }

  static async join(
    url: string,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<DeafViewer> {
    const viewer = new DeafViewer(url);
    await within(viewer.#join(params), { what: "for a data channel" });
    return viewer;
  }

  /** Notices of dropped messages. */
  get missed(): ServerMessage[] {
    return this.messages.filter(({ type, code }) =>
      type === "notice" && code === "messages_missed"
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close(1000);
    await this.#closed;
    await this.#peer.close();
    await pause(FLIGHT_TIMER_MS);
  }

  async #join(params: Readonly<Record<string, unknown>>): Promise<void> {
    const peer = this.#peer;
    peer.addTransceiver("video", { direction: "recvonly" });
    const channel = peer.createDataChannel("pinhole");
    const opened = new Promise<void>((resolve) => {
      channel.stateChanged.subscribe((state) => state === "open" && resolve());
    });
    await peer.setLocalDescription(await peer.createOffer());
    await this.#opened;
    const answered = new Promise<string>((resolve, reject) => {
      this.#socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        this.messages.push(message);
        if (message.type === "answer") resolve(message.sdp);
        if (message.type === "error") reject(new Error(message.message));
      };
    });
    this.#socket.send(JSON.stringify({ type: "offer", sdp: peer.localDescription?.sdp, params }));
    await peer.setRemoteDescription({ type: "answer", sdp: await answered });
    await opened;
    const [dtls] = peer.dtlsTransports;
    if (dtls === undefined) throw new Error("The viewer has no transport");
    dtls.dataReceiver = () => {};
    dtls.sendRtcp = () => Promise.resolve(0);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a server used while a flood went on, and what it dropped. */
interface Damage {
  readonly grownMib: number;
  /** CPU time per second. */
  readonly cores: number;
  readonly dropped: number;
}

/** Calls `flood` every 50 ms for {@link FLOOD_MS}, while these viewers forget what they are sent. */
async function endure(
  server: ServerProcess,
  { viewers, flood }: { viewers: readonly WeriftViewer[]; flood: () => void },
): Promise<Damage> {
  const [memory, cpuS, startedMs] = [
    await residentMib(server.pid),
    await cpuSeconds(server.pid),
    performance.now(),
  ];
  while (performance.now() - startedMs < FLOOD_MS) {
    flood();
    for (const { messages, packets } of viewers) messages.length = packets.length = 0;
    await pause(50);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return {
    grownMib: await residentMib(server.pid) - memory,
    cores: (await cpuSeconds(server.pid) - cpuS) / seconds,
    dropped: await server.metric("messages_dropped_total", { direction: "to_viewer" }),
  };
}

/** The viewer is where it was, though it has acknowledged nothing, and was told what it missed. */
async function assertMissed(server: ServerProcess, deaf: DeafViewer): Promise<void> {
  assert.ok(deaf.missed.length >= 5, `${deaf.missed.length} notices`);
  assert.equal(await server.metric("viewers_ended_total"), 0);
  assert.ok(server.log.some(({ event }) => event === "viewer_messages_missed"));
  assert.deepEqual(server.complaints.filter(({ level }) => level === "error"), []);
}

Deno.test("abuse: many short messages to a viewer that acknowledges none cost neither a core nor memory", async () => {
  const library = await compileReference();
  await using server = await ServerProcess.start({
    config: { ...SMALL, "renderer.library": library },
  });
  const url = `${server.origin.replace("http", "ws")}/ws`;
  await using deaf = await DeafViewer.join(`${url}/main`);
  // The renderer answers each of their questions to everybody in the session.
  await using one = await WeriftViewer.play(`${url}/main`);
  await using two = await WeriftViewer.play(`${url}/main`);
  await using apart = await WeriftViewer.play(`${url}/apart`);
  const flood = () => {
    for (const asking of [one, two]) {
      for (let turn = 0; turn < 6; turn++) asking.send({ type: "message", data: QUESTION });
    }
  };
  const damage = await endure(server, { viewers: [one, two, apart], flood });
  assert.ok(damage.dropped > 500, JSON.stringify(damage));
  assert.ok(damage.grownMib < GROWTH_MIB_MAX, JSON.stringify(damage));
  assert.ok(damage.cores < 0.4, JSON.stringify(damage));
  await assertMissed(server, deaf);
  flood();
  await one.nextOf("message");
  await Promise.all([one, two, apart].map((viewer) => viewer.receives(20)));
});

Deno.test("abuse: a renderer that floods a viewer which acknowledges nothing fills no memory", async () => {
  const library = await compileTestRenderer("bad_citizen");
  await using server = await ServerProcess.start({
    config: { ...SMALL, "renderer.library": library },
  });
  const url = `${server.origin.replace("http", "ws")}/ws`;
  await using deaf = await DeafViewer.join(`${url}/flooded`, { misbehave: "message_flood" });
  await using near = await WeriftViewer.play(`${url}/flooded`);
  await using apart = await WeriftViewer.play(`${url}/apart`);
  const damage = await endure(server, { viewers: [near, apart], flood() {} });
  // Of 64 KiB each.
  assert.ok(damage.dropped > 2_000, JSON.stringify(damage));
  assert.ok(damage.grownMib < GROWTH_MIB_MAX, JSON.stringify(damage));
  await assertMissed(server, deaf);
  await Promise.all([near, apart].map((viewer) => viewer.receives(20)));
});

/** Where a log goes in vain: what stands behind the server's command line in a shell. */
const LOST_LOGS: Readonly<Record<string, string>> = {
  "a full disk": "2>/dev/full",
  "a pipe that nobody reads any more": "2> >(true)",
  "no stderr at all": "2>&-",
};

for (const [where, redirection] of Object.entries(LOST_LOGS)) {
  Deno.test(`abuse: with ${where} for its log the server goes on serving, and stops as it should`, async () => {
    await using service = await ServiceProcess.ready({
      wrapper: ["bash", "-c", `exec "$@" ${redirection}`, "bash"],
      config: `log.level = "debug"`,
    });
    await using viewer = await WeriftViewer.play(service.signallingUrl("main"));
    for (let turn = 0; turn < 20; turn++) {
      await using refused = await WeriftViewer.join(service.signallingUrl("other"), {
        offer: () => "v=0",
      });
      assert.equal(refused.find("error")?.code, "bad_sdp");
    }
    await viewer.receives(20);
    assert.equal(await service.status("/healthz"), 200);
    service.signal("SIGTERM");
    assert.equal(await service.ended(), 0);
    assert.deepEqual(service.lines, [], "there was nowhere to write to");
  });
}

Deno.test({
  name: "abuse: a wall clock that is set by hours loses no viewer, and only tokens follow it",
  ignore: !hasFaketime(),
  fn: async () => {
    const [time, secretFile] = [await Deno.makeTempFile(), await Deno.makeTempFile()];
    const secret = "s".repeat(40);
    await Deno.writeTextFile(secretFile, secret);
    await Deno.chmod(secretFile, 0o600);
    const setClock = (hours: number) =>
      Deno.writeTextFile(time, `${hours < 0 ? "" : "+"}${hours}h`);
    await setClock(0);
    const tokenFor = (ttlS: number) =>
      mintToken(new TextEncoder().encode(secret), { session: "*", ttlS });
    const [short, long] = [await tokenFor(HOUR_S), await tokenFor(24 * HOUR_S)];
    await using service = await ServiceProcess.ready({
      config: `auth.secret_file = "${secretFile}"`,
      env: {
        LD_PRELOAD: FAKETIME,
        FAKETIME_TIMESTAMP_FILE: time,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      },
    });
    const urlOf = (session: string) => `${service.signallingUrl(session)}?token=${long}`;
    await using viewer = await WeriftViewer.play(urlOf("main"));
    for (const hours of [5, -9, 0]) {
      await setClock(hours);
      // Reports of both sides, and the server's own deadlines, meet the new time.
      await pause(3_000);
      viewer.packets.length = 0;
      await viewer.receives(20);
      await using another = await WeriftViewer.join(urlOf("another"), { answer: () => undefined });
      assert.equal(another.find("error"), undefined);
      const { ts } = await service.logs("viewer_joined", service.events("viewer_joined").length);
      const ahead = (Date.parse(String(ts)) - Date.now()) / 1000;
      assert.ok(Math.abs(ahead - hours * HOUR_S) < 120, `the clock of the log is ${ahead} s ahead`);
      const list = `/api/sessions?token=`;
      assert.equal(await service.status(list + short), hours === 5 ? 401 : 200);
      const response = await fetch(`http://127.0.0.1:${service.httpPort}${list}${long}`);
      assertPlausible(await response.json());
    }
    const trouble = viewer.messages.filter(({ state }) =>
      state === "disconnected" || state === "failed" || state === "closed"
    );
    assert.deepEqual(trouble, []);
    assert.deepEqual(service.log.filter(({ level }) => level === "error"), []);
    await Promise.all([Deno.remove(time), Deno.remove(secretFile)]);
  },
});

/** The figures of the session `main`, which began at most a few minutes ago. */
function assertPlausible(sessions: readonly SessionReport[]): void {
  const main = sessions.find(({ id }) => id === "main") ?? assert.fail("main is gone");
  const [viewer = assert.fail("its viewer is gone")] = main.viewers;
  assert.equal(viewer.state, "connected");
  assert.ok(main.age_s > 2 && main.age_s < 300, `${main.age_s} s`);
  const { round_trip_ms: roundTripMs, bitrate_kbps: kbps } = viewer;
  assert.ok(roundTripMs !== null && roundTripMs > 0 && roundTripMs < 2_000, `${roundTripMs} ms`);
  assert.ok(kbps > 0 && kbps < 10_000, `${kbps} kbit/s`);
}

function hasFaketime(): boolean {
  try {
    return Deno.statSync(FAKETIME).isFile;
  } catch {
    return false;
  }
}
