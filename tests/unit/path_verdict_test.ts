import assert from "assert";
import {
  type Arrival,
  deadEnds,
  type PortFinding,
  portStep,
} from "../../src/viewer/pinhole/path_findings.js";
import { judge, type PathFindings } from "../../src/viewer/pinhole/path_verdict.js";

const ADDRESS = "203.0.113.7";

/** A port of the range 10111 … that answered; `changes` tell how it departs from that. */
function port(at: number, changes: Partial<PortFinding> = {}): PortFinding {
  const { transport = "udp" } = changes;
  return {
    entry: {
      local_port: 10111 + at,
      address: ADDRESS,
      port: 20111 + at,
      transports: ["udp", "tcp"],
      ufrag: "ufrag",
      pwd: "pwd",
    },
    transport,
    stage: "done",
    ms: 12.4,
    arrivals: [arrival(10111 + at, transport)],
    ...changes,
  };
}

function arrival(localPort: number, transport: "udp" | "tcp" = "udp"): Arrival {
  return { local_port: localPort, transport, from: "127.0.0.1:40123", count: 3 };
}

const SILENT = { ms: null, arrivals: [] };

/** The verdict on a check that found nothing wrong but this. */
function verdictOn(changes: Partial<PathFindings>): ReturnType<typeof judge> {
  return judge({
    server: new URL("http://203.0.113.7:10110/"),
    httpFault: null,
    websocket: true,
    ports: [port(0), port(1)],
    portsUntested: null,
    trial: { problem: null, frameMs: 612 },
    trialUntested: null,
    ...changes,
  });
}

Deno.test("judge: finds nothing wrong with a whole path", () => {
  assert.deepEqual(verdictOn({}), {
    state: "ok",
    code: "ok",
    words: "Everything works. Every port answers, and the first picture came after 0.6 s.",
    tries: [],
  });
});

Deno.test("judge: names the first layer at fault, and none behind it", () => {
  const problem = { code: "no_frames", layer: "frames", message: "No picture." } as const;
  const broken = {
    httpFault: "does not answer",
    websocket: false,
    ports: [port(0, SILENT)],
    trial: { problem, frameMs: null },
  };
  const codes = [
    verdictOn(broken),
    verdictOn({ ...broken, httpFault: null }),
    verdictOn({ ...broken, httpFault: null, websocket: true }),
    verdictOn({ trial: broken.trial }),
  ].map(({ state, code }) => `${state} ${code}`);
  assert.deepEqual(codes, [
    "failed no_http",
    "failed no_websocket",
    "failed no_udp",
    "failed no_frames",
  ]);
});

Deno.test("judge: tells silent ports from a network without UDP", () => {
  const some = verdictOn({ ports: [port(0), port(1, SILENT), port(2)] });
  assert.equal(some.code, "ports_silent");
  assert.equal(some.words, `1 of 3 ports does not answer over UDP: ${ADDRESS}:20112.`);
  assert.match(some.tries.join(), /does not block UDP/);
  const all = verdictOn({ ports: [port(0, SILENT), port(1, SILENT)] });
  assert.equal(all.code, "no_udp");
  assert.match(all.tries.join(), /another network/);
});

Deno.test("judge: tells answers that are lost from questions that are lost", () => {
  const lost = { ms: null };
  const all = verdictOn({ ports: [port(0, lost), port(1, lost)] });
  assert.equal(all.code, "no_way_back");
  assert.match(all.tries.join(), new RegExp(`${ADDRESS}.*proxyBindAddr`));
  const some = verdictOn({ ports: [port(0), port(1, lost)] });
  assert.match(some.tries.join(), /lost on the return path/);
  assert.match(portStep(port(1, lost)).words, /^The server received packets of this browser/);
});

Deno.test("judge: says both numbers of swapped ports, and where a misrouted one leads", () => {
  const swapped = verdictOn({
    ports: [
      port(0, { arrivals: [arrival(10112)] }),
      port(1, { arrivals: [arrival(10111)] }),
      port(2, { arrivals: [arrival(10114)] }),
      port(3),
    ],
  });
  assert.equal(
    swapped.words,
    "Ports 20111 and 20112 are swapped over UDP. " +
      "Public port 20113 maps to the server's port 10114 over UDP.",
  );
});

Deno.test("judge: a port that also came out at its own place is not misrouted", () => {
  const both = { arrivals: [arrival(10112), arrival(10111)] };
  assert.equal(verdictOn({ ports: [port(0, both)] }).code, "ok");
});

Deno.test("judge: TCP stands in for UDP, and is missed by nobody who has UDP", () => {
  const tcp = { transport: "tcp" } as const;
  const without = verdictOn({ ports: [port(0, SILENT), port(0, tcp)] });
  assert.deepEqual([without.state, without.code], ["warning", "no_udp"]);
  const problem = { code: "no_packets", layer: "frames", message: "No video." } as const;
  const trial = { problem, frameMs: null };
  assert.equal(verdictOn({ ports: [port(0, SILENT), port(0, tcp)], trial }).code, "no_packets");
  const silentTcp = { ...tcp, ...SILENT };
  const missed = verdictOn({ ports: [port(0), port(0, silentTcp)] });
  assert.deepEqual([missed.state, missed.code], ["warning", "tcp_silent"]);
  assert.equal(portStep(port(0, silentTcp)).state, "warning");
  const alone = verdictOn({ ports: [port(0, silentTcp)] });
  assert.deepEqual([alone.state, alone.code], ["failed", "tcp_silent"]);
});

Deno.test("judge: a private address on a public page is the first suspect", () => {
  const entry = { ...port(0).entry, address: "10.1.2.3" };
  const ports = [port(0, { entry, ...SILENT })];
  assert.match(verdictOn({ ports }).tries[0] ?? "", /^10\.1\.2\.3 is a private address/);
  const server = new URL("http://10.1.2.3:9000/");
  assert.doesNotMatch(verdictOn({ ports, server }).tries.join(), /private/);
});

Deno.test("judge: says what could not be tested instead of guessing", () => {
  const noTrial = { trial: null, trialUntested: "All places are taken" };
  const noPorts = { ports: [], portsUntested: "Too many port tests" };
  assert.deepEqual(verdictOn(noTrial), {
    state: "warning",
    code: "no_trial",
    words: "Every port answers. A connection was not tested.",
    tries: ["All places are taken"],
  });
  const { code, words, tries } = verdictOn(noPorts);
  assert.equal(code, "untested");
  assert.match(words, /^A connection works: the first picture came after 0\.6 s\./);
  assert.deepEqual(tries, ["Too many port tests"]);
  assert.deepEqual(verdictOn({ ...noPorts, ...noTrial }).tries, [
    "Too many port tests",
    "All places are taken",
  ]);
});

Deno.test("deadEnds: holds addresses that no transport reaches", () => {
  const tcp = { transport: "tcp" } as const;
  const ports = [
    port(0, SILENT),
    port(0, tcp),
    port(1, SILENT),
    port(1, { ...tcp, ...SILENT }),
    port(2, { arrivals: [arrival(10111)] }),
    port(3, { stage: "untested", ...SILENT }),
  ];
  assert.deepEqual([...deadEnds(ports)], [`${ADDRESS}:20112`, `${ADDRESS}:20113`]);
});
