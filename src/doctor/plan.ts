import type { ExpectedProxy } from "./frpc.ts";
import type { RendererFound } from "./source.ts";

/** A server that the doctor started for its checks. */
export interface OwnServer {
  /** Such as `http://127.0.0.1:9000`. */
  readonly origin: string;
  close(): Promise<void>;
}

/** What the doctor looks at. */
export interface DoctorPlan {
  /** Where the configuration comes from, such as `config.toml`; begins a sentence. */
  readonly configSource: string;
  /** Where this host's own server is, such as `http://127.0.0.1:9000`. */
  readonly origin: string;
  /** Where HTTP and WebSocket listen. */
  readonly http: { readonly hostname: string; readonly port: number };
  /** Media ports of this host. */
  readonly media: {
    readonly listen: string;
    readonly portMin: number;
    readonly portMax: number;
    /** Whether they take ICE-TCP too. */
    readonly tcp: boolean;
  };
  /** What browsers open, an http or https origin. */
  readonly publicUrl: string | undefined;
  /** Host of the media ports as browsers know it, for people; `undefined` when none is configured. */
  readonly publicHost: string | undefined;
  /**
   * Where the public end of a local port is.
   * @throws {Error} When its address cannot be found.
   */
  readonly publicAddress: (localPort: number) => Promise<{ address: string; port: number }>;
  /** Session that the doctor's viewer watches. */
  readonly sessionId: string;
  /** Access token for that session; `undefined` where everybody may come in. */
  readonly token: string | undefined;
  /** Where `/api/sessions` is, and an access token for it. */
  readonly operators: { readonly origin: string; readonly token: string | undefined };
  /** When the doctor says what it still waits for, and ends, in milliseconds from its start. */
  readonly deadlineMs: number;
  /** Whether it is a failure that no server runs. */
  readonly mustRun: boolean;
  /** What the configuration names as renderer, for people; and whether a crash of it ends the server. */
  readonly renderer: {
    readonly what: string;
    readonly kind: "library" | "bridge" | "test_pattern";
    readonly isIsolated: boolean;
  };
  /** Where the certificate of `server.tls_cert` is shown: whether the server speaks TLS itself. */
  readonly hasTls: boolean;
  readonly frpc: {
    /** Admin APIs that are asked, at least one. */
    readonly urls: readonly string[];
    /** Whether somebody named them, so that each has to answer; else one of them may be all there is. */
    readonly areNamed: boolean;
    /** `user:password` */
    readonly credentials: string | undefined;
    readonly expected: readonly ExpectedProxy[];
  };
  /** Opens the renderer and asks it for a frame, until `signal` says that time is up; never rejects. */
  readonly tryRenderer: (
    context: { isServerRunning: boolean; signal: AbortSignal },
  ) => Promise<RendererFound>;
  /** Opens an encoder and closes it; never rejects. */
  readonly tryEncoder: () => Promise<{ readonly name: string } | { readonly problem: string }>;
  /**
   * Starts this program's own server on the configured addresses.
   * @param options.testPattern Shows the test pattern whatever the configuration names.
   */
  readonly startServer: (options: { testPattern: boolean }) => Promise<OwnServer>;
}
