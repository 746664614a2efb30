import type {
  EncodedFrame,
  EncodeOptions,
  EncoderFactory,
  EncoderSettings,
  VideoCodec,
  VideoEncoder,
} from "../../../src/media/encoder.ts";
import type {
  FrameSource,
  FrameSourceFactory,
  FrameSourceOptions,
  MessageRefusal,
  RawFrame,
  RenderResult,
} from "../../../src/media/frame.ts";

/** Pictures are this large where nobody looks at them. */
const SIZE = { width: 16, height: 16 } as const;

/** A picture that is grey all over. */
export function rawFrame(timestampUs: number, level = 0): RawFrame {
  const { width, height } = SIZE;
  const luma = new Uint8Array(width * height).fill(level);
  const chroma = new Uint8Array(luma.length / 4);
  const planes = [luma, chroma, chroma].map((data, index) => ({
    data,
    strideBytes: index === 0 ? width : width / 2,
  }));
  return { kind: "raw", format: "i420", width, height, planes, timestampUs };
}

/** One session of a {@link FakeRenderer}. */
export class FakeSource implements FrameSource {
  readonly options: FrameSourceOptions;
  /** Timestamps of all calls for a picture. */
  readonly rendered: number[] = [];
  /** Text that came from viewers. */
  readonly heard: string[] = [];
  /** Why it takes no message, while it takes none. */
  refusal: MessageRefusal | undefined;
  /** What it has for the viewers. */
  readonly messages: Uint8Array[] = [];
  /** Messages of its own that it was told were dropped. */
  dropped = 0;
  /** Makes the outcome of the next calls. */
  next: (timestampUs: number) => Promise<RenderResult> = (timestampUs) =>
    Promise.resolve({ status: "frame", frame: rawFrame(timestampUs) });
  /** Awaited before it is closed. */
  closing: Promise<void> = Promise.resolve();
  isClosed = false;
  #underWay = 0;

  constructor(options: FrameSourceOptions) {
    this.options = options;
  }

  async render(timestampUs: number): Promise<RenderResult> {
    if (this.isClosed) throw new Error("Rendered after its end");
    if (this.#underWay > 0) throw new Error("Two calls at once");
    this.rendered.push(timestampUs);
    this.#underWay++;
    try {
      return await this.next(timestampUs);
    } finally {
      this.#underWay--;
    }
  }

  message(data: Uint8Array): MessageRefusal | undefined {
    if (this.refusal === undefined) this.heard.push(new TextDecoder().decode(data));
    return this.refusal;
  }

  pollMessage(): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.messages.shift());
  }

  messagesDropped(count: number): void {
    this.dropped += count;
  }

  async close(): Promise<void> {
    if (this.isClosed) throw new Error("Closed twice");
    this.isClosed = true;
    await this.closing;
  }
}

/** A renderer whose sessions do what a test says. Two of one name at a time are a failure. */
export class FakeRenderer implements FrameSourceFactory {
  readonly name = "fake";
  /** Every session that was opened, oldest first. */
  readonly sources: FakeSource[] = [];
  /** Awaited before a session is open; what it rejects with fails the opening. */
  gate: () => Promise<void> = () => Promise.resolve();
  /** Changes a session before it is used. */
  prepare: (source: FakeSource) => void = () => {};
  readonly #inUse = new Set<string>();

  async open(options: FrameSourceOptions): Promise<FrameSource> {
    const { sessionId } = options;
    if (this.#inUse.has(sessionId)) throw new Error(`Two sessions named ${sessionId} at once`);
    this.#inUse.add(sessionId);
    try {
      await this.gate();
    } catch (error) {
      this.#inUse.delete(sessionId);
      throw error;
    }
    const source = new FakeSource(options);
    this.prepare(source);
    this.sources.push(source);
    const close = source.close.bind(source);
    source.close = async () => {
      await close();
      this.#inUse.delete(sessionId);
    };
    return source;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The session that was opened last. */
  get latest(): FakeSource {
    const source = this.sources.at(-1);
    if (source === undefined) throw new Error("No session was opened");
    return source;
  }
}

/** An encoder whose frames say which picture they were made of. */
export class FakeEncoder implements VideoEncoder {
  readonly codec: VideoCodec;
  readonly name = "fake";
  /** Timestamps of the pictures that were compressed, and whether a keyframe was asked for. */
  readonly encoded: (EncodeOptions & { readonly timestampUs: number })[] = [];
  /** Grey level of each of those. */
  readonly levels: number[] = [];
  /** Each rate that it changed to, in kbit/s. */
  readonly rates: number[] = [];
  /** Awaited by each compression; what it rejects with fails it. */
  gate: () => Promise<void> = () => Promise.resolve();
  /** Awaited by each loading; what it rejects with fails it. */
  loadGate: () => Promise<void> = () => Promise.resolve();
  /** Whether the rate control leaves pictures out. */
  skips = false;
  isClosed = false;
  #loaded: number | undefined;
  #last: number | undefined;
  #level = 0;
  #underWay = 0;
  #kbps: number;

  constructor(codec: VideoCodec, { bitrateKbps }: { bitrateKbps: number }) {
    this.codec = codec;
    this.#kbps = bitrateKbps;
  }

  async load(frame: RawFrame): Promise<void> {
    await this.loadGate();
    this.#loaded = this.#last = frame.timestampUs;
    this.#level = frame.planes[0]?.data[0] ?? 0;
  }

  reload(timestampUs: number): boolean {
    if (this.#last === undefined) return false;
    this.#loaded = this.#last = timestampUs;
    return true;
  }

  async encode({ keyframe, kbps }: EncodeOptions): Promise<EncodedFrame | undefined> {
    if (this.isClosed) throw new Error("Encoded after its end");
    if (this.#underWay > 0) throw new Error("Two pictures at once");
    const timestampUs = this.#loaded;
    if (timestampUs === undefined) throw new Error("Encoded without a picture");
    this.#loaded = undefined;
    this.encoded.push({ timestampUs, keyframe, kbps });
    if (kbps !== this.#kbps) this.rates.push(kbps);
    this.#kbps = kbps;
    this.levels.push(this.#level);
    this.#underWay++;
    try {
      await this.gate();
    } finally {
      this.#underWay--;
    }
    if (this.skips) return undefined;
    return { codec: this.codec, data: fakeAccessUnit(keyframe), keyframe, timestampUs };
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** Opens {@link FakeEncoder}s. */
export class FakeEncoders implements EncoderFactory {
  /** Every encoder that was opened, oldest first. */
  readonly opened: FakeEncoder[] = [];
  /** Changes an encoder before it is used; what it throws fails the opening. */
  prepare: (encoder: FakeEncoder) => void = () => {};

  async open(codec: VideoCodec, settings: EncoderSettings): Promise<VideoEncoder> {
    // Opening is never done at once.
    await Promise.resolve();
    const encoder = new FakeEncoder(codec, settings);
    this.prepare(encoder);
    this.opened.push(encoder);
    return encoder;
  }

  /** The encoder that was opened last. */
  get latest(): FakeEncoder {
    const encoder = this.opened.at(-1);
    if (encoder === undefined) throw new Error("No encoder was opened");
    return encoder;
  }
}

/** The smallest thing that a packetizer of either codec takes. */
function fakeAccessUnit(keyframe: boolean): Uint8Array {
  return Uint8Array.of(0, 0, 0, 1, keyframe ? 0x65 : 0x41, 1, 2, 3);
}
