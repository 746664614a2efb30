import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { addressKey, type MediaAddress } from "../../ports/media_address.ts";
import { createIceCredentials, type IceCredentials } from "./ice_agent.ts";
import { type StunMessage, verifyMessageIntegrity } from "./stun.ts";
import { formatBindingError, formatBindingSuccess } from "./stun_format.ts";
import { STUN_ATTRIBUTE } from "./stun_wire.ts";

/**
 * Lifetime of a path check, in milliseconds, unless {@link PATH_CHECKS_MAX} newer ones start: a browser tries for
 * about 15 s.
 */
export const PATH_CHECK_TTL_MS = 30_000;

/**
 * Maximum active path checks, a few kilobytes each. One more ends the oldest, so that no client can block others. At
 * the limit of four new ones a second, each lives for at least 16 s, which is enough for a browser.
 */
export const PATH_CHECKS_MAX = 64;

/** Maximum different arrivals of one check: five ports, and a handful of browser addresses. */
export const PATH_ARRIVALS_MAX = 64;

/** Where and from where requests for one port's credentials arrived. */
export interface PathArrival {
  /** The media port at which they arrived; if it differs from that of the credentials, ports are swapped. */
  readonly localPort: number;
  readonly from: MediaAddress;
  readonly count: number;
}

/** One media port of a path check. */
export interface PathCheckPort {
  readonly localPort: number;
  /** Different for each port, so that they identify the intended port of an arrival. */
  readonly credentials: IceCredentials;
  /** In the order of their first request. */
  readonly arrivals: readonly PathArrival[];
}

/** An active path check. */
export interface PathCheck {
  /** Unguessable: 128 random bits as base64url. */
  readonly id: string;
  readonly ports: readonly PathCheckPort[];
}

/** Where a request arrived. */
export interface ArrivedAt {
  readonly localPort: number;
  readonly from: MediaAddress;
}

/** Result of a request that belongs to no viewer. */
export type ProbeOutcome =
  | { readonly reply: Uint8Array }
  | { readonly rejected: "unknown_user" | "integrity" };

type Arrival = { -readonly [Key in keyof PathArrival]: PathArrival[Key] };

interface OpenPort extends PathCheckPort {
  readonly arrivals: Arrival[];
}

interface OpenCheck extends PathCheck {
  readonly ports: readonly OpenPort[];
  readonly expiresAtMs: number;
}

/**
 * Tests the reachability of the media ports without a viewer, a lease or DTLS: for a limited time it answers STUN
 * checks with the credentials of a path check, at whichever port they arrive, and records that port. One instance for
 * all ports. It owns no socket and no timer; expired checks are removed on the next call.
 */
export class PathProbe {
  readonly #ports: readonly number[];
  readonly #clock: Clock;
  readonly #checks = new Map<string, OpenCheck>();
  readonly #byUfrag = new Map<string, { readonly check: OpenCheck; readonly port: OpenPort }>();

  /** @param ports The local media ports. */
  constructor(ports: readonly number[], { clock }: { clock: Clock }) {
    this.#ports = ports;
    this.#clock = clock;
  }

  /** Starts a path check. Ends the oldest if there are already {@link PATH_CHECKS_MAX}. */
  open(): PathCheck {
    this.#forgetExpired();
    const [oldest] = this.#checks.values();
    if (oldest !== undefined && this.#checks.size >= PATH_CHECKS_MAX) this.#forget(oldest);
    const check: OpenCheck = {
      id: randomBytes(16).toString("base64url"),
      ports: this.#ports.map((localPort) => ({
        localPort,
        credentials: createIceCredentials(),
        arrivals: [],
      })),
      expiresAtMs: this.#clock.now() + PATH_CHECK_TTL_MS,
    };
    this.#checks.set(check.id, check);
    for (const port of check.ports) this.#byUfrag.set(port.credentials.ufrag, { check, port });
    return check;
  }

  /** An active check with its arrivals so far. */
  find(id: string): PathCheck | undefined {
    this.#forgetExpired();
    return this.#checks.get(id);
  }

  /**
   * Answers a Binding request whose FINGERPRINT was verified, if its username begins with the fragment of a check (RFC
   * 8445 §7.3). The role of the sender does not matter, because nothing is nominated here.
   */
  answer(message: StunMessage, at: ArrivedAt): ProbeOutcome {
    this.#forgetExpired();
    const found = this.#byUfrag.get(message.username?.split(":", 1)[0] ?? "");
    if (found === undefined) return { rejected: "unknown_user" };
    const { check, port } = found;
    const key = port.credentials.pwd;
    if (!verifyMessageIntegrity(message, key)) return { rejected: "integrity" };
    const { transactionId } = message;
    const unknown = message.unknownRequired.filter((type) => type !== STUN_ATTRIBUTE.padding);
    if (unknown.length > 0) {
      return {
        reply: formatBindingError({
          transactionId,
          code: 420,
          reason: "Unknown Attribute",
          unknownAttributes: unknown,
          key,
        }),
      };
    }
    note(check, { port, at });
    // RFC 5780 §7.6: padding is answered with padding, here up to the size of the request, which shows that a datagram
    // of that size passes both ways. Without padding a response is about as long as its request.
    const isPadded = message.unknownRequired.length > 0;
    const sizeBytes = isPadded ? message.packet.length : 0;
    return {
      reply: formatBindingSuccess({ transactionId, mappedAddress: at.from, key, sizeBytes }),
    };
  }

  #forgetExpired(): void {
    const nowMs = this.#clock.now();
    // Oldest first, because all have the same lifetime.
    for (const check of this.#checks.values()) {
      if (check.expiresAtMs > nowMs) return;
      this.#forget(check);
    }
  }

  #forget(check: OpenCheck): void {
    this.#checks.delete(check.id);
    for (const { credentials } of check.ports) this.#byUfrag.delete(credentials.ufrag);
  }
}

function note(check: OpenCheck, { port, at }: { port: OpenPort; at: ArrivedAt }): void {
  const { localPort, from } = at;
  const known = port.arrivals.find((arrival) =>
    arrival.localPort === localPort && addressKey(arrival.from) === addressKey(from)
  );
  if (known !== undefined) {
    known.count++;
    return;
  }
  const noted = check.ports.reduce((sum, { arrivals }) => sum + arrivals.length, 0);
  if (noted < PATH_ARRIVALS_MAX) port.arrivals.push({ localPort, from, count: 1 });
}
