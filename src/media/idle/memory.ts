/** Something that holds decoded pictures. */
export interface Holding {
  /** Bytes of its pictures. {@link PictureMemory} alone changes it. */
  bytes: number;
  /** How many use it now. {@link PictureMemory} alone changes it. */
  users: number;
}

/** Most recently used things that hold pictures, within a limit of bytes. */
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

  /** What is kept under a key. */
  get(key: string): H | undefined {
    return this.#holdings.get(key);
  }

  /** Keeps something new, and counts its first user in. */
  add(key: string, holding: H): void {
    this.#holdings.set(key, holding);
    this.use(holding);
  }

  /** Counts a user in. */
  use(holding: H): void {
    holding.users += 1;
  }

  /** Counts a user out. What nobody uses stays until its room is needed. */
  release(key: string, holding: H): void {
    holding.users -= 1;
    if (this.#holdings.get(key) !== holding) return;
    this.#holdings.delete(key);
    this.#holdings.set(key, holding);
    this.#makeRoom(0);
  }

  /** Forgets something, whoever uses it; a later one of the same key is left alone. */
  remove(key: string, holding: H): void {
    if (this.#holdings.get(key) === holding) this.#holdings.delete(key);
  }

  /**
   * Takes room for more pictures of a holding; what nobody uses goes for it, least recently used first.
   * @returns False when there is none; but one that holds nothing yet always gets it, so that it has something to show.
   */
  reserve(holding: H, bytes: number): boolean {
    if (!this.#makeRoom(bytes) && holding.bytes > 0) return false;
    holding.bytes += bytes;
    return true;
  }

  /** Gives back room that was reserved. */
  free(holding: H, bytes: number): void {
    holding.bytes -= bytes;
  }

  /** Forgets what nobody uses, as far as it takes. @returns Whether so many bytes fit now. */
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
