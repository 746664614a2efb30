import type { Libc } from "./libc.ts";
import { LINUX } from "./libc.ts";

/** A file in shared memory, mapped whole. */
export class Mapping {
  readonly #libc: Libc;
  readonly #pointer: Deno.PointerObject;
  readonly #buffer: ArrayBuffer;
  readonly #byteLength: number;

  /**
   * Maps the first `byteLength` bytes of a file.
   * @param options.writable Otherwise writing ends the process.
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
    // One view for all that lies in it: V8 counts the bytes of each as garbage to come.
    this.#buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
  }

  /** A view of part of it. It has no bytes when the mapping is closed. */
  bytes(offset: number, byteLength: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer, offset, byteLength);
  }

  /** No thread may be reading. Called once. */
  close(): void {
    // Cut off first, so that a view that somebody kept is empty instead of a crash.
    this.#buffer.transfer(0);
    this.#libc.symbols.munmap(this.#pointer, BigInt(this.#byteLength));
  }
}
