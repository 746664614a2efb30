import assert from "assert";
import { plannedRange } from "../support/parts/planned_ports.ts";
import { fileURLToPath } from "node:url";
import { ADMIN_PASSWORD_VARIABLE, formatFrpcToml } from "../../src/tunnel/frpc_toml.ts";
import { formatFrpsToml } from "../../src/tunnel/frps_toml.ts";
import { mapPorts } from "../../src/tunnel/port_mapping.ts";
import { TUNNEL_PROTOCOLS } from "../../src/tunnel/settings.ts";
import { eventually } from "../support/deadline.ts";
import { frpTest } from "../support/frp/frp.ts";
import { PUBLIC_ADDRESS, PublicPorts } from "../support/frp/frp_ports.ts";
import { FrpProcess } from "../support/frp/frp_process.ts";
import { findFrp } from "../support/frp/frp_programs.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const MAPPED = {
  signalling: { hostname: "0.0.0.0", port: 9000 },
  publicUrl: undefined,
  media: {
    listen: "0.0.0.0",
    publicPortMin: 20111,
    ports: plannedRange({ portMin: 10111, portMax: 10115, publicPortMin: 20111, tcp: true }),
  },
} as const;

frpTest(
  "frpc.toml: is what the command prints for the shipped mapping, and frpc takes it",
  async () => {
    const printed = await pinhole("frpc", "--server", "51.161.209.200");
    assert.equal(printed, await Deno.readTextFile(`${ROOT}frpc.toml`));
    await verify("frpc", printed);
  },
);

frpTest("pinhole frpc --frps: frps takes what it prints", async () => {
  await verify("frps", await pinhole("frpc", "--server", "51.161.209.200", "--frps"));
});

frpTest("pinhole frpc: frp takes the files of every protocol and part", async () => {
  for (const protocol of TUNNEL_PROTOCOLS) {
    for (const part of ["all", "media", "signalling"] as const) {
      const settings = {
        mapping: mapPorts({ ...MAPPED, part }),
        server: { hostname: "frps.example.com", port: 7000 },
        protocol,
        tokenVariable: "FRP_TOKEN",
      };
      const admin = { hostname: "::1", port: 7400 };
      await verify("frpc", formatFrpcToml({ ...settings, admin }));
      await verify("frps", formatFrpsToml(settings));
    }
  }
});

frpTest("formatFrpcToml: odd values stay values, for TOML and for frp's templates", async () => {
  const odd = '"\nserverPort = 1 # {{ nonsense }} \\ {{{{ \u0000 é';
  const text = formatFrpcToml({
    mapping: mapPorts({ ...MAPPED, signalling: { hostname: odd, port: 9000 }, part: "all" }),
    server: { hostname: odd, port: 7000 },
    protocol: "tcp",
    tokenVariable: "FRP_TOKEN",
    admin: { hostname: odd, port: 7400 },
  });
  await verify("frpc", text);
});

frpTest("frpc.toml: there is no admin API without its password", async () => {
  await using folder = new Folder();
  const { frpc, admin } = await folder.prepare();
  for (const [password, expected] of [["", "off"], ["secret", "on"]] as const) {
    const client = folder.run("frpc", {
      file: frpc,
      env: { [ADMIN_PASSWORD_VARIABLE]: password },
    });
    // The admin API is there before it looks for frps, which it does not find.
    await logged(client, /connect to server error/);
    const found = await fetch(`http://${PUBLIC_ADDRESS}:${admin}/api/status`)
      .then((response) => response.body?.cancel().then(() => "on"), () => "off");
    await client.kill();
    assert.equal(found, expected);
  }
});

frpTest("frpc.toml: without a token it fits an frps without one, and no other", async () => {
  await using folder = new Folder();
  const { frpc, frps } = await folder.prepare();
  const login = async (token: string, expected: RegExp) => {
    const server = folder.run("frps", { file: frps, env: { FRP_TOKEN: token } });
    await logged(server, /frps started successfully/);
    const client = folder.run("frpc", { file: frpc, env: {} });
    await logged(client, expected);
    await client.kill();
    await server.kill();
  };
  await login("", /login to server success/);
  await login("secret", /token in login doesn't match/);
});

/** Files of both ends on free ports, and what runs by them. */
class Folder implements AsyncDisposable {
  readonly #path = Deno.makeTempDirSync();
  readonly #processes: FrpProcess[] = [];

  /** Writes both files and returns their paths, and the port of the admin API. */
  async prepare(): Promise<{ frpc: string; frps: string; admin: number }> {
    using ports = PublicPorts.reserve(1);
    const settings = {
      mapping: mapPorts({
        ...MAPPED,
        media: {
          listen: "0.0.0.0",
          publicPortMin: ports.mediaMin,
          ports: plannedRange({
            portMin: 10111,
            portMax: 10111,
            publicPortMin: ports.mediaMin,
            tcp: true,
          }),
        },
        part: "all",
      }),
      server: { hostname: PUBLIC_ADDRESS, port: ports.frps },
      protocol: "tcp",
      tokenVariable: "FRP_TOKEN",
      admin: { hostname: PUBLIC_ADDRESS, port: ports.admin },
    } as const;
    const [frpc, frps] = [`${this.#path}/frpc.toml`, `${this.#path}/frps.toml`];
    await Deno.writeTextFile(frpc, formatFrpcToml(settings));
    const bind = `bindAddr = "${PUBLIC_ADDRESS}"\nproxyBindAddr = "${PUBLIC_ADDRESS}"\n`;
    await Deno.writeTextFile(frps, bind + formatFrpsToml(settings));
    return { frpc, frps, admin: ports.admin };
  }

  /** Starts a program by a file. Variables that are empty are not set. */
  run(
    program: "frpc" | "frps",
    { file, env }: { file: string; env: Readonly<Record<string, string>> },
  ): FrpProcess {
    const programs = findFrp();
    assert.ok(programs);
    const given = Object.entries(env).filter(([, value]) => value !== "");
    const process = new FrpProcess([programs[program], "-c", file], Object.fromEntries(given));
    this.#processes.push(process);
    process.start();
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes) await process.kill();
    await Deno.remove(this.#path, { recursive: true });
  }
}

async function logged(process: FrpProcess, line: RegExp): Promise<void> {
  await eventually(() => line.test(process.lastWords), {
    what: () => `for ${line}:\n${process.lastWords}`,
  });
}

async function pinhole(...args: string[]): Promise<string> {
  const inherited = Object.entries(Deno.env.toObject())
    .filter(([name]) => !name.startsWith("PINHOLE_"));
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}main.ts`, ...args, "--config", "/dev/null"],
    clearEnv: true,
    env: Object.fromEntries(inherited),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function verify(program: "frpc" | "frps", text: string): Promise<void> {
  const programs = findFrp();
  assert.ok(programs);
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  try {
    await Deno.writeTextFile(path, text);
    const { success, stdout } = await new Deno.Command(programs[program], {
      args: ["verify", "-c", path],
    }).output();
    assert.ok(success, `${new TextDecoder().decode(stdout)}\n${text}`);
  } finally {
    await Deno.remove(path);
  }
}
