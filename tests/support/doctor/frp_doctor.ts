import { fileURLToPath } from "node:url";
import type { CheckResult } from "../../../src/doctor/result.ts";
import { ADMIN_PASSWORD_VARIABLE } from "../../../src/tunnel/frpc_toml.ts";
import type { TunnelledServer } from "../frp/frp.ts";
import { PUBLIC_ADDRESS } from "../frp/frp_ports.ts";
import type { ConfigValues } from "../servers/server_process.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** What `pinhole doctor` said. */
export interface Diagnosis {
  /** Its exit code. */
  readonly code: number;
  readonly results: readonly CheckResult[];
  /** `name` or `name subject` of what failed. */
  readonly failed: readonly string[];
}

/**
 * Runs `pinhole doctor`, as it stands in the shell of a server behind a tunnel.
 * @param changes How its configuration departs from the server's.
 */
export async function askDoctor(
  { server, origin, publicPortMin, tunnel }: TunnelledServer,
  { media, changes = {} }: { media: number; changes?: ConfigValues },
): Promise<Diagnosis> {
  const values: ConfigValues = {
    "server.listen": new URL(server.origin).host,
    "server.public_url": origin,
    "webrtc.listen": "127.0.0.1",
    "webrtc.port_min": server.portMin,
    "webrtc.port_max": server.portMin + media - 1,
    "webrtc.public_ip": PUBLIC_ADDRESS,
    "webrtc.public_port_min": publicPortMin,
    ...changes,
  };
  const given = Object.entries(values)
    .map(([key, value]) => [`PINHOLE_${key.replace(".", "_").toUpperCase()}`, String(value)]);
  const inherited = Object.entries(Deno.env.toObject())
    .filter(([name]) => !name.startsWith("PINHOLE_"));
  const { url, password } = tunnel.admin;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "main.ts", "doctor", "--config", "/dev/null"],
      ...["--json", "--timeout", "120", "--frpc-admin", url],
    ],
    cwd: ROOT,
    clearEnv: true,
    env: Object.fromEntries([...inherited, ...given, [ADMIN_PASSWORD_VARIABLE, password]]),
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const out = decoder.decode(stdout);
  if (out === "") throw new Error(`The doctor says nothing: ${decoder.decode(stderr)}`);
  const results: CheckResult[] = JSON.parse(out).checks;
  const failed = results.filter(({ status }) => status === "failed")
    .map(({ check, subject }) => subject === undefined ? check : `${check} ${subject}`);
  return { code, results, failed };
}
