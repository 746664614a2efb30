import { isIP } from "node:net";
import { PORT_MAX } from "../base/limits.ts";
import type { PortTransport, PublicPortEntry } from "../base/public_ports.ts";
import type { Environment } from "./environment.ts";

/** Values of `webrtc.provider` that name one. */
export type ProviderName = "runpod" | "vast";

/** A port that a provider has mapped. */
export interface ProviderPort extends PublicPortEntry {
  /** Whether any port was wished for whose public number is also its local one. */
  readonly isIdentity: boolean;
}

/** What a provider's variables say of this host. */
export interface ProviderFacts {
  readonly name: ProviderName;
  /** The provider as it calls itself. */
  readonly title: string;
  /** The public address, with the name of its variable. */
  readonly publicIp: { readonly value: string; readonly variable: string } | undefined;
  /** The mapped ports, by local port; SSH and others included. */
  readonly ports: readonly ProviderPort[];
  /** Variables of these names whose values make no sense. */
  readonly rubbish: readonly { readonly variable: string; readonly value: string }[];
}

/** The variables of one provider. */
interface Provider {
  readonly title: string;
  /** Variable with the public IPv4 address. */
  readonly address: string;
  /** Prefix of the variables with a public port each; the rest of the name is the local port. */
  readonly ports: Partial<Record<PortTransport, string>>;
}

/** As documented by the providers in August 2026. */
const PROVIDERS: Readonly<Record<ProviderName, Provider>> = {
  runpod: {
    title: "RunPod",
    address: "RUNPOD_PUBLIC_IP",
    ports: { tcp: "RUNPOD_TCP_PORT_" },
  },
  vast: {
    title: "Vast.ai",
    address: "PUBLIC_IPADDR",
    ports: { udp: "VAST_UDP_PORT_", tcp: "VAST_TCP_PORT_" },
  },
};

/**
 * A port above this one is asked for when a port is wanted whose public number is also its local one: both are then the
 * value of the variable, which is named after the wish.
 */
const IDENTITY_ABOVE = 69_999;

/** Prefixes of the variables that {@link readProvider} reads, besides those of `PINHOLE_*`. */
export function isProviderVariable(name: string): boolean {
  return Object.values(PROVIDERS).some(({ address, ports }) =>
    name === address || Object.values(ports).some((prefix) => name.startsWith(prefix))
  );
}

/**
 * Reads what the host's provider says in its variables.
 * @param wanted `auto` takes the provider that has mapped a port, else one whose variables make no sense.
 * @returns `undefined` if there is none.
 */
export function readProvider(
  wanted: "auto" | "none" | ProviderName,
  env: Environment,
): ProviderFacts | undefined {
  if (wanted === "none") return undefined;
  if (wanted !== "auto") return factsOf(wanted, env);
  const all = (Object.keys(PROVIDERS) as ProviderName[]).map((name) => factsOf(name, env));
  return all.find(({ ports }) => ports.length > 0) ?? all.find(({ rubbish }) => rubbish.length > 0);
}

function factsOf(name: ProviderName, env: Environment): ProviderFacts {
  const { title, address, ports: prefixes } = PROVIDERS[name];
  const rubbish: { variable: string; value: string }[] = [];
  const value = env[address]?.trim();
  if (value !== undefined && isIP(value) === 0) rubbish.push({ variable: address, value });
  const ports: ProviderPort[] = [];
  for (const transport of ["udp", "tcp"] as const) {
    const prefix = prefixes[transport];
    if (prefix === undefined) continue;
    for (const [variable, text] of Object.entries(env)) {
      if (!variable.startsWith(prefix)) continue;
      const entry = entryOf({ variable, local: variable.slice(prefix.length), text, transport });
      if (entry === undefined) rubbish.push({ variable, value: text });
      else ports.push(entry);
    }
  }
  return {
    name,
    title,
    publicIp: value !== undefined && isIP(value) !== 0 ? { value, variable: address } : undefined,
    ports: ports.sort((a, b) => a.port - b.port),
    rubbish,
  };
}

function entryOf(
  { variable, local, text, transport }: {
    variable: string;
    local: string;
    text: string;
    transport: PortTransport;
  },
): ProviderPort | undefined {
  if (!/^\d{1,6}$/.test(local) || !/^\d{1,5}$/.test(text.trim())) return undefined;
  const [asked, publicPort] = [Number(local), Number(text)];
  const isIdentity = asked > IDENTITY_ABOVE;
  const port = isIdentity ? publicPort : asked;
  if (port < 1 || port > PORT_MAX || publicPort < 1 || publicPort > PORT_MAX) return undefined;
  return {
    port,
    transport,
    isIdentity,
    place: { host: undefined, port: publicPort, from: `${variable} = ${publicPort}` },
  };
}
