import type { PlannedPort } from "../base/public_ports.ts";
import type { PublicAddresses } from "../base/public_ports.ts";
import type { ExpectedProxy } from "./frpc_status.ts";
import type { RendererFound } from "./renderer_judge.ts";

/** A server that the doctor started for its checks. */
export interface OwnServer {
  /** Such as `http://127.0.0.1:9000`. */
  readonly origin: string;
  close(): Promise<void>;
}

/** Everything that the doctor checks, and how. */
export interface DoctorPlan {
  /** Source of the configuration, such as `config.toml`; begins a sentence. */
  readonly configSource: string;
  /** Local origin of this host's server, such as `http://127.0.0.1:9000`. */
  readonly origin: string;
  /** Listening address of HTTP and WebSocket. */
  readonly http: { readonly hostname: string; readonly port: number };
  /** Media ports of this host. */
  readonly media: {
    readonly listen: string;
    readonly ports: readonly PlannedPort[];
  };
  /** The http or https origin that browsers open. */
  readonly publicUrl: string | undefined;
  /** Public host of the media ports, for messages; `undefined` if none is configured. */
  readonly publicHost: string | undefined;
  /**
   * Returns the public addresses of a local port.
   * @throws {Error} If an address cannot be determined.
   */
  readonly publicAddresses: (localPort: number) => Promise<PublicAddresses>;
  /** Session of the doctor's viewer. */
  readonly sessionId: string;
  /** Access token for that session; `undefined` if the server needs none. */
  readonly token: string | undefined;
  /** Origin of `/api/sessions`, and an access token for it. */
  readonly operators: { readonly origin: string; readonly token: string | undefined };
  /** Deadline of the whole run, in milliseconds from its start. */
  readonly deadlineMs: number;
  /** Whether a missing server is a failure instead of a warning. */
  readonly mustRun: boolean;
  /** The configured renderer, and whether it is isolated from the server's process. */
  readonly renderer: {
    readonly what: string;
    readonly kind: "library" | "bridge" | "test_pattern";
    readonly isIsolated: boolean;
  };
  /** Whether the server itself terminates TLS (`server.tls_cert`). */
  readonly hasTls: boolean;
  readonly frpc: {
    /** Admin APIs to query, at least one. */
    readonly urls: readonly string[];
    /** Whether they were named by option, so that each must answer; otherwise one of them is enough. */
    readonly areNamed: boolean;
    /** `user:password` */
    readonly credentials: string | undefined;
    readonly expected: readonly ExpectedProxy[];
  };
  /** Opens the renderer and requests a frame, until `signal` is aborted; never rejects. */
  readonly tryRenderer: (
    context: { isServerRunning: boolean; signal: AbortSignal },
  ) => Promise<RendererFound>;
  /** Opens an encoder and closes it; never rejects. */
  readonly tryEncoder: () => Promise<{ readonly name: string } | { readonly problem: string }>;
  /**
   * Starts this program's own server on the configured addresses.
   * @param options.testPattern Shows the test pattern instead of the configured renderer.
   */
  readonly startServer: (options: { testPattern: boolean }) => Promise<OwnServer>;
}
