import { ServerProcess } from "../support/servers/server_process.ts";
import { WeriftViewer } from "../support/clients/werift_viewer.ts";
import type { Figure, Progress } from "./figure.ts";
import { cpuSeconds, residentMib } from "./process_usage.ts";

/** Joins, and refusals, of each kind: few enough that no limit of offers turns anybody away. */
const TIMES = 300;
const TOGETHER = 4;
const CROWDS = [0, 5, 50] as const;
const SETTLE_MS = 5_000;

/** Next to no pictures: what is measured is something else. */
const SMALL = { "video.width": 160, "video.height": 120, "video.fps": 1 } as const;

const OFFER = await Deno.readTextFile(
  new URL("../testdata/sdp/chrome_156_sendrecv_data.offer.sdp", import.meta.url),
);

/** What operators plan with: how fast viewers can come, what a refusal costs, and memory. */
export async function measureOperations(progress: Progress): Promise<Figure[]> {
  return [
    ...await measureJoins(progress),
    ...await measureRefusals(progress),
    ...await measureMemory(progress),
  ];
}

async function measureJoins(progress: Progress): Promise<Figure[]> {
  await using server = await ServerProcess.start({
    config: { ...SMALL, "webrtc.peers_per_port": 2 },
  });
  const url = wsUrl(server);
  const join = async (session: string): Promise<void> => {
    const code = await offerOnce(`${url}/${session}`);
    if (code !== "answer") throw new Error(`A join was refused: ${code}\n${server.lastWords}`);
  };
  progress("joins of new sessions");
  const fresh = await load(server, (turn) => join(`new-${turn}`));
  await using _first = await WeriftViewer.play(`${url}/running-0`);
  await using _second = await WeriftViewer.play(`${url}/running-1`);
  await using _third = await WeriftViewer.play(`${url}/running-2`);
  await using _fourth = await WeriftViewer.play(`${url}/running-3`);
  progress("joins of running sessions");
  const running = await load(server, (turn) => join(`running-${turn % TOGETHER}`));
  return [
    { name: "joins, new session, offer to bye", value: fresh.perSecond, unit: "/s" },
    { name: "CPU of such a join", value: fresh.cpuMs, unit: "ms" },
    { name: "joins, running session, offer to bye", value: running.perSecond, unit: "/s" },
    { name: "CPU of such a join, running session", value: running.cpuMs, unit: "ms" },
  ];
}

async function measureRefusals(progress: Progress): Promise<Figure[]> {
  const secretFile = await Deno.makeTempFile();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => Deno.remove(secretFile));
  await Deno.writeTextFile(secretFile, "s".repeat(40));
  await Deno.chmod(secretFile, 0o600);
  await using full = await ServerProcess.start({ ports: 1, config: SMALL });
  await using guarded = await ServerProcess.start({
    config: { ...SMALL, "auth.secret_file": secretFile },
  });
  await using _viewer = await WeriftViewer.play(`${wsUrl(full)}/main`);
  progress("refusals");
  const noPort = await load(full, async (turn) => {
    expectCode(await offerOnce(`${wsUrl(full)}/other-${turn}`), "no_free_port");
  });
  const token = await load(guarded, async (turn) => {
    expectCode(await offerOnce(`${wsUrl(guarded)}/main?token=${turn}.b.c`), "unauthorized");
  });
  const scanner = await load(guarded, async (turn) => {
    const response = await fetch(`${guarded.origin}/wp-admin/${turn}.php`);
    await response.body?.cancel();
    expectCode(String(response.status), "404");
  });
  return [
    { name: "CPU of a refusal, no_free_port", value: noPort.cpuMs, unit: "ms" },
    { name: "CPU of a refusal, bad token", value: token.cpuMs, unit: "ms" },
    { name: "CPU of a refusal, path scanner", value: scanner.cpuMs, unit: "ms" },
  ];
}

function expectCode(code: string, expected: string): void {
  if (code !== expected) throw new Error(`The server said ${code} instead of ${expected}`);
}

async function measureMemory(progress: Progress): Promise<Figure[]> {
  await using server = await ServerProcess.start({
    config: {
      "webrtc.peers_per_port": 10,
      "sessions.viewers_per_session": 50,
      // A stream that fifty receivers in one process can take.
      "video.bitrate_kbps": 300,
    },
  });
  await using viewers = new AsyncDisposableStack();
  let joined = 0;
  const figures: Figure[] = [];
  for (const count of CROWDS) {
    progress(`viewers of one session: ${count}`);
    for (; joined < count; joined++) {
      viewers.use(await WeriftViewer.play(`${wsUrl(server)}/main`));
    }
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const value = await residentMib(server.pid);
    figures.push({ name: `resident memory, one session, viewers: ${count}`, value, unit: "MiB" });
  }
  return figures;
}

function wsUrl({ origin }: ServerProcess): string {
  return `${origin.replace("http", "ws")}/ws`;
}

/** What it takes to do something many times, some at a time; CPU time is the server's. */
async function load(
  server: ServerProcess,
  once: (turn: number) => Promise<void>,
): Promise<{ perSecond: number; cpuMs: number }> {
  // Code is compiled before it is measured.
  for (let turn = 0; turn < TOGETHER; turn++) await once(TIMES + turn);
  const [cpuS, startedMs] = [await cpuSeconds(server.pid), performance.now()];
  let begun = 0;
  const worker = async () => {
    while (begun < TIMES) await once(begun++);
  };
  await Promise.all(Array.from({ length: TOGETHER }, worker));
  return {
    perSecond: 1000 * TIMES / (performance.now() - startedMs),
    cpuMs: 1000 * (await cpuSeconds(server.pid) - cpuS) / TIMES,
  };
}

/** Offers, and says goodbye when that is answered. @returns The error's code, or `answer`. */
async function offerOnce(url: string): Promise<string> {
  const socket = new WebSocket(url);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  const outcome = new Promise<string>((resolve, reject) => {
    socket.onopen = () => socket.send(JSON.stringify({ type: "offer", sdp: OFFER }));
    socket.onerror = () => reject(new Error(`Cannot connect to ${url}`));
    socket.onmessage = ({ data }) => {
      const { type, code } = JSON.parse(data);
      if (type === "error") resolve(code);
      if (type !== "answer") return;
      socket.send(JSON.stringify({ type: "bye" }));
      resolve(type);
    };
  });
  const answer = await outcome;
  await closed;
  return answer;
}
