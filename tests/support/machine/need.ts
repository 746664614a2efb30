/**
 * Installs or builds one need of the tests where that is possible, and prints a `Prepared` as JSON. Its argument is the
 * need; notes go to standard error.
 */
import { hasNumpy } from "../renderers/bridge_python.ts";
import { browserAdvice, BROWSERS, findBrowser } from "../browsers/browser.ts";
import { clientAdvice, CLIENTS, findClient } from "../clients/client_programs.ts";
import { findNvcc } from "../renderers/cuda.ts";
import { findFrp, frpAdvice } from "../frp/frp_programs.ts";
import { findCompiler } from "../renderers/native.ts";
import type { Need, Prepared } from "./needs.ts";

/** A thing that was looked for: its place, or why it is not there and what would mend it. */
type Looked = { readonly found: string } | { readonly missing: string };

const LOOKS: Readonly<Record<Need, () => Looked[] | Promise<Looked[]>>> = {
  async packages() {
    // What deno.lock has: npm packages, and the platform's part of node-av.
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["install", "--quiet", "--frozen"],
      cwd: new URL("../../../", import.meta.url),
      stdin: "null",
      stdout: "null",
    }).output();
    return [
      success ? { found: "npm packages of deno.lock" } : {
        missing: "npm packages of deno.lock. To enable: see above, then deno install --frozen",
      },
    ];
  },
  async compiler() {
    try {
      return [{ found: `C compiler: ${await findCompiler()}` }];
    } catch (error) {
      return [{ missing: error instanceof Error ? error.message : String(error) }];
    }
  },
  browsers: () =>
    BROWSERS.map((kind) => {
      const path = findBrowser(kind);
      return path === undefined ? { missing: browserAdvice(kind) } : { found: `${kind}: ${path}` };
    }),
  frp() {
    const programs = findFrp();
    return [programs === undefined ? { missing: frpAdvice() } : { found: `frp: ${programs.frps}` }];
  },
  async numpy() {
    return [
      await hasNumpy() ? { found: "NumPy" } : {
        missing: "NumPy, from python3 or by pip. To enable: install Python 3 with pip",
      },
    ];
  },
  clients: () =>
    CLIENTS.map((kind) => {
      const command = findClient(kind);
      return command === undefined
        ? { missing: clientAdvice(kind) }
        : { found: `${kind}: ${command[0]}` };
    }),
  async nvcc() {
    const nvcc = await findNvcc();
    return [
      "path" in nvcc ? { found: `nvcc: ${nvcc.path}` } : {
        missing: `${nvcc.reason}. To enable: install CUDA 12 or later, or set NVCC to its nvcc`,
      },
    ];
  },
};

const [need = ""] = Deno.args;
const look = LOOKS[need as Need];
if (look === undefined) throw new TypeError(`"${need}" is none of ${Object.keys(LOOKS)}`);
const looked = await look();
const marks = Object.entries(Deno.env.toObject()).filter(([name]) =>
  name.startsWith("PINHOLE_TEST_")
);
const result: Prepared = {
  found: looked.flatMap((each) => "found" in each ? [each.found] : []),
  missing: looked.flatMap((each) => "missing" in each ? [each.missing] : []),
  env: Object.fromEntries(marks),
};
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(result)));
