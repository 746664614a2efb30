import type { Libc } from "./libc.ts";
import { LINUX } from "./libc.ts";

/** A memory mapping of a file. */
export class Mapping {
  readonly #libc: Libc;
  readonly #pointer: Deno.PointerObject;
  readonly #buffer: ArrayBuffer;
  readonly #byteLength: number;

  /**
   * Maps the first `byteLength` bytes of a file.
   * @param options.writable If false, writing crashes the process.
   * @throws {BridgeError} `bridge_files`
   */
  constructor(
    libc: Libc,
    { fd, byteLength, writable }: { fd: number; byteLength: number; writable: boolean },
  ) {
    const protection = LINUX.PROT_READ | (writable ? LINUX.PROT_WRITE : 0);
    const length = BigInt(byteLength);
    const pointer = libc.symbols.mmap(null, length, protection, LINUX.MAP_SHARED, fd, 0n);
    // MAP_FAILED is the address of all ones.
    if (pointer === null || BigInt.asIntN(64, Deno.UnsafePointer.value(pointer)) === -1n) {
      throw libc.failure("bridge_files", `Cannot map ${byteLength} bytes of shared memory`);
    }
    this.#libc = libc;
    this.#pointer = pointer;
    this.#byteLength = byteLength;
    // A single ArrayBuffer: V8 counts the bytes of each towards garbage collection.
    this.#buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
  }

  /** A view of a part, which becomes empty when the mapping is closed. */
  bytes(offset: number, byteLength: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer, offset, byteLength);
  }

  /** Unmaps the file. No thread may be reading it. Called once. */
  close(): void {
    // Detach first, so that remaining views are empty instead of crashing.
    this.#buffer.transfer(0);
    this.#libc.symbols.munmap(this.#pointer, BigInt(this.#byteLength));
  }
}
