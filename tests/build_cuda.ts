/** Compiles the CUDA reference library and says where it is; in one line why not, where there is no compiler. */
import { buildCuda, findNvcc } from "./support/renderers/cuda.ts";

function say(stream: { writeSync(bytes: Uint8Array): number }, line: string): void {
  stream.writeSync(new TextEncoder().encode(`${line}\n`));
}

const nvcc = await findNvcc();
if ("reason" in nvcc) {
  say(Deno.stderr, nvcc.reason);
  Deno.exit(1);
}
say(Deno.stdout, await buildCuda(nvcc));
