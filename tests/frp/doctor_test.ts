import assert from "assert";
import type { CheckName, CheckResult } from "../../src/doctor/result.ts";
import { eventually } from "../support/deadline.ts";
import { frpTest, TunnelledServer } from "../support/frp/frp.ts";
import { askDoctor, type Diagnosis } from "../support/doctor/frp_doctor.ts";
import { PUBLIC_ADDRESS } from "../support/frp/frp_ports.ts";
import type { ConfigValues } from "../support/servers/server_process.ts";

const MEDIA = 2;
/** An address of this host where no server listens. */
const NOBODY = "127.0.0.9";

/** What becomes of a tunnel before the doctor comes, and which public media ports it has. */
type Provoke = (
  tunnelled: TunnelledServer,
  stack: AsyncDisposableStack,
) => Promise<ConfigValues | void>;

function doctorTest(
  name: string,
  provoke: Provoke,
  expect: (diagnosis: Diagnosis, ports: readonly [number, number]) => void,
): void {
  frpTest(`doctor: ${name}`, async () => {
    await using tunnelled = await TunnelledServer.start({ media: MEDIA });
    await using stack = new AsyncDisposableStack();
    const changes = await provoke(tunnelled, stack) ?? {};
    const diagnosis = await askDoctor(tunnelled, { media: MEDIA, changes });
    const first = tunnelled.publicPortMin;
    try {
      assert.equal(diagnosis.code, diagnosis.failed.length === 0 ? 0 : 1);
      expect(diagnosis, [first, first + 1]);
    } catch (error) {
      throw new Error(`It said ${JSON.stringify(diagnosis.results, undefined, 1)}`, {
        cause: error,
      });
    }
  });
}

doctorTest("finds nothing wrong with a real tunnel", async () => {}, ({ results, failed }) => {
  assert.deepEqual(failed, []);
  for (const check of ["frpc", "signalling", "udp_port", "port_mapping", "webrtc"] as const) {
    assert.equal(find(results, check).status, "ok", check);
  }
});

doctorTest(
  "frpc that does not run is named first, and what follows from it is one line",
  ({ tunnel }) => tunnel.killClient(),
  ({ results, failed }, [one, two]) => {
    const { text, fix } = find(results, "frpc");
    assert.match(text, /frpc does not run here: no frpc found at .*connection refused/);
    assert.match(fix ?? "", /start frpc/);
    assert.deepEqual(failed, ["frpc", "public_address"]);
    assert.match(find(results, "public_address").text, new RegExp(`UDP ${one}-${two}$`));
  },
);

doctorTest(
  "frps that is gone is the first thing to look for",
  async ({ tunnel }) => {
    await tunnel.killServer();
    await eventually(async () => (await tunnel.status()).length === 0, {
      what: "for frpc to notice",
    });
  },
  ({ results, failed }) => {
    const { text, fix } = find(results, "frpc");
    assert.match(text, /not logged in to frps/);
    assert.match(fix ?? "", /frps does not run/);
    assert.equal(failed[0], "frpc");
    assert.match(find(results, "public_address").fix ?? "", /see frpc/);
  },
);

doctorTest(
  "a proxy that is missing is named, and the other port works",
  ({ tunnel }) => tunnel.reloadClient(editMedia(tunnel.clientConfig, [undefined, () => ""])),
  ({ results, failed }, [one, two]) => {
    assert.deepEqual(failed, [`frpc udp_${two}`, `udp_port ${two}`]);
    assert.match(
      find(results, "frpc").text,
      new RegExp(`No udp proxy forwards public port ${two} `),
    );
    assert.equal(find(results, "udp_port", `${one}`).status, "ok");
  },
);

doctorTest(
  "ports that are swapped are both named, in the file and on the way",
  ({ tunnel, server: { portMin } }) => {
    const to = (port: number) => (proxy: string) =>
      proxy.replace(/^localPort = .*$/m, `localPort = ${port}`);
    return tunnel.reloadClient(editMedia(tunnel.clientConfig, [to(portMin + 1), to(portMin)]));
  },
  ({ results, failed }, [one, two]) => {
    assert.deepEqual(failed.filter((name) => !name.startsWith("webrtc")), [
      `frpc udp_${one}`,
      `frpc udp_${two}`,
      `port_mapping ${one}`,
      `port_mapping ${two}`,
    ]);
    const values = find(results, "port_mapping", `${one}`).values;
    assert.equal(Number(values?.arrives_at), Number(values?.local_port) + 1);
  },
);

doctorTest(
  "a public address where nobody is, beside signalling that answers, is told apart",
  () => Promise.resolve({ "webrtc.public_ip": NOBODY }),
  ({ results, failed }, [one, two]) => {
    assert.deepEqual(failed, ["public_address", `udp_port ${one}`, `udp_port ${two}`]);
    const { text, fix } = find(results, "public_address");
    assert.match(text, new RegExp(`${NOBODY}.*they answer at ${PUBLIC_ADDRESS}`));
    assert.match(fix ?? "", new RegExp(`webrtc\\.public_ip = "${PUBLIC_ADDRESS}"`));
    assert.equal(find(results, "signalling").status, "ok");
  },
);

doctorTest(
  "a public port that another program has is named with frps's own words",
  async ({ tunnel, publicPortMin }, stack) => {
    const whole = tunnel.clientConfig;
    await tunnel.reloadClient(editMedia(whole, [() => ""]));
    const holder = await hold(publicPortMin);
    stack.defer(() => holder.close());
    await tunnel.tellClient(whole);
    await eventually(async () => (await tunnel.status()).some(({ err }) => err !== ""), {
      what: "for frps to refuse a proxy",
    });
  },
  ({ results, failed }, [one]) => {
    assert.ok(failed.includes(`frpc udp_${one}`));
    const { text, fix } = find(results, "frpc");
    assert.match(text, /does not run: .*port unavailable/);
    assert.match(fix ?? "", /on the public server/);
  },
);

doctorTest(
  "a proxy that leads to another address than the server's fails alone, and both are named",
  ({ tunnel }) => {
    const astray = (proxy: string) => proxy.replace(/^localIP = .*$/m, `localIP = "${NOBODY}"`);
    return tunnel.reloadClient(editMedia(tunnel.clientConfig, [astray]));
  },
  ({ results, failed }, [one, two]) => {
    assert.deepEqual(failed.slice(0, 2), [`frpc udp_${one}`, `udp_port ${one}`]);
    assert.match(find(results, "frpc").text, /127\.0\.0\.9 \(its localIP\).*webrtc\.listen/);
    assert.match(find(results, "frpc").fix ?? "", /localIP = "127\.0\.0\.1"/);
    assert.match(find(results, "udp_port", `${one}`).text, /its checks do not reach the server/);
    assert.equal(find(results, "udp_port", `${two}`).status, "ok");
  },
);

/** The first result of a check. */
function find(results: readonly CheckResult[], check: CheckName, subject?: string): CheckResult {
  const found = results.find((result) =>
    result.check === check && (subject === undefined || result.subject === subject)
  );
  return found ?? assert.fail(`no result of ${check}`);
}

/** The file with its media proxies changed, in their order. */
function editMedia(
  frpcToml: string,
  edits: readonly (((proxy: string) => string) | undefined)[],
): string {
  let at = 0;
  const edited = frpcToml.split(/(?=^\[\[proxies\]\])/m).map((block) => {
    if (!/^type = "udp"$/m.test(block)) return block;
    return edits[at++]?.(block) ?? block;
  }).join("");
  assert.notEqual(edited, frpcToml);
  return edited;
}

/** Takes a public port, as soon as frps has let it go. */
async function hold(port: number): Promise<Deno.DatagramConn> {
  let socket: Deno.DatagramConn | undefined;
  await eventually(() => {
    try {
      socket = Deno.listenDatagram({ transport: "udp", hostname: PUBLIC_ADDRESS, port });
    } catch {
      // frps still has it.
    }
    return socket !== undefined;
  }, { what: `for port ${port}` });
  assert.ok(socket);
  return socket;
}
