/** An entry that holds pictures, decoded or encoded. */
export interface Holding {
  /** Bytes of its pictures. Only {@link PictureMemory} changes it. */
  bytes: number;
  /** Number of current users. Only {@link PictureMemory} changes it. */
  users: number;
}

/** LRU cache of entries that hold pictures, with a limit in bytes. */
export class PictureMemory<H extends Holding> {
  readonly #bytesMax: number;
  /** By key, least recently used first. */
  readonly #holdings = new Map<string, H>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes of all pictures. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#holdings.values()) sum += bytes;
    return sum;
  }

  /** Number of entries. */
  get size(): number {
    return this.#holdings.size;
  }

  /** The entry of a key. */
  get(key: string): H | undefined {
    return this.#holdings.get(key);
  }

  /** Adds an entry with its first user. */
  add(key: string, holding: H): void {
    this.#holdings.set(key, holding);
    this.use(holding);
  }

  /** Adds a user. */
  use(holding: H): void {
    holding.users += 1;
  }

  /** Removes a user. An unused entry stays until its memory is needed. */
  release(key: string, holding: H): void {
    holding.users -= 1;
    if (this.#holdings.get(key) !== holding) return;
    this.#holdings.delete(key);
    this.#holdings.set(key, holding);
    this.#makeRoom(0);
  }

  /** Removes an entry even if it is in use, but not a later entry of the same key. */
  remove(key: string, holding: H): void {
    if (this.#holdings.get(key) === holding) this.#holdings.delete(key);
  }

  /**
   * Reserves memory for more pictures of an entry; evicts unused entries, least recently used first.
   * @returns False if there is none. An entry without pictures always gets it, so that it has something to show.
   */
  reserve(holding: H, bytes: number): boolean {
    if (!this.#makeRoom(bytes) && holding.bytes > 0) return false;
    holding.bytes += bytes;
    return true;
  }

  /** Releases reserved memory. */
  free(holding: H, bytes: number): void {
    holding.bytes -= bytes;
  }

  /** Evicts unused entries as needed. @returns Whether so many bytes fit now. */
  #makeRoom(bytes: number): boolean {
    let over = this.bytes + bytes - this.#bytesMax;
    for (const [key, other] of this.#holdings) {
      if (over <= 0) break;
      if (other.users > 0) continue;
      over -= other.bytes;
      this.#holdings.delete(key);
    }
    return over <= 0;
  }
}
