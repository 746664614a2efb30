/** Bytes of an ELF header up to the end of `e_machine` (System V ABI, chapter 4, "ELF Header"). */
const HEADER_BYTES = 20;

/** `\x7fELF` */
const MAGIC = 0x7f454c46;

/** `EI_DATA` of a big-endian file. */
const BIG_ENDIAN = 2;

/** `e_type` of a shared library. */
const SHARED = 3;

/** Names of architectures as in Deno, or common names for others, by `EI_CLASS` and `e_machine`. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  "1:3": "i386",
  "1:40": "arm",
  "2:21": "ppc64",
  "2:22": "s390x",
  "2:62": "x86_64",
  "2:183": "aarch64",
  "2:243": "riscv64",
};

/**
 * Finds the reason in a file's header why the loader refuses it. For another architecture, the loader itself only
 * reports "No such file or directory".
 * @returns `undefined` if the header is fine, or cannot be read.
 */
export function explainRefusal(path: string): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const header = readHeader(path);
  return header === undefined ? undefined : judgeHeader(header);
}

/**
 * The architecture of a program or library, such as `x86_64` or `aarch64`.
 * @returns `undefined` if the file is not an ELF file, or cannot be read.
 */
export function architectureOf(path: string): string | undefined {
  const header = readHeader(path);
  return header && isElf(header) ? nameArchitecture(header) : undefined;
}

function judgeHeader(header: DataView): string | undefined {
  if (!isElf(header)) return "it is not an ELF shared object";
  const architecture = nameArchitecture(header);
  const { arch } = Deno.build;
  if (architecture !== arch) return `it is built for ${architecture}, but this host is ${arch}`;
  if (header.getUint16(16, isLittleEndian(header)) !== SHARED) {
    return "it is an ELF file, but not a shared object; link it with -shared";
  }
  return undefined;
}

function isElf(header: DataView): boolean {
  return header.byteLength === HEADER_BYTES && header.getUint32(0) === MAGIC;
}

function isLittleEndian(header: DataView): boolean {
  return header.getUint8(5) !== BIG_ENDIAN;
}

function nameArchitecture(header: DataView): string {
  const isLittle = isLittleEndian(header);
  const machine = `${header.getUint8(4)}:${header.getUint16(18, isLittle)}`;
  const name = ARCHITECTURES[machine] ?? `another architecture (ELF class and machine ${machine})`;
  return isLittle ? name : `big-endian ${name}`;
}

/** @returns Fewer bytes of a shorter file. */
function readHeader(path: string): DataView | undefined {
  const bytes = new Uint8Array(HEADER_BYTES);
  try {
    using file = Deno.openSync(path);
    return new DataView(bytes.buffer, 0, file.readSync(bytes) ?? 0);
  } catch {
    // Unreadable: the loader's message has the reason.
    return undefined;
  }
}
