/// <reference lib="dom" />
import assert from "assert";
import type { Page } from "playwright-core";
import type { BrowserPage } from "./browser_page.ts";
import { eventually } from "../deadline.ts";
import { type ConfigValues, ServerProcess } from "../servers/server_process.ts";
import { UdpRelay } from "../network/udp_relay.ts";

/** Plays the public server of a {@link MappedServer}: another address, and the same port numbers. */
export const PUBLIC_ADDRESS = "127.0.0.2";

/** One line of the check as the page shows it. */
export interface CheckLine {
  readonly state: string;
  readonly title: string;
  readonly words: string;
}

/** What the page shows of a check that is over. */
export interface ShownCheck {
  readonly verdict: string;
  readonly tone: string;
  readonly tries: readonly string[];
  readonly lines: readonly CheckLine[];
}

/** How a {@link MappedServer} departs from one that works. */
export interface MappedServerOptions {
  /** Media ports. */
  readonly ports: number;
  /** Which port a public port leads to, both counted from 0; `null` drops everything. Default: its own. */
  readonly route?: (port: number) => number | null;
  readonly config?: ConfigValues;
}

/** A server behind relays, as behind an frp client. */
export class MappedServer implements AsyncDisposable {
  readonly server: ServerProcess;
  readonly #relays: readonly UdpRelay[];

  private constructor(server: ServerProcess, relays: readonly UdpRelay[]) {
    this.server = server;
    this.#relays = relays;
  }

  /** Starts server and relays. */
  static async start(options: MappedServerOptions): Promise<MappedServer> {
    const { ports, route = (port) => port, config } = options;
    const server = await ServerProcess.start({
      ports,
      config: {
        "webrtc.public_ip": PUBLIC_ADDRESS,
        "video.width": 640,
        "video.height": 360,
        ...config,
      },
    });
    const relays = Array.from({ length: ports }, (_, port) => {
      const relay = new UdpRelay({ hostname: PUBLIC_ADDRESS, port: server.portMin + port });
      const target = route(port);
      if (target !== null) relay.passTo(server.portMin + target);
      return relay;
    });
    return new MappedServer(server, relays);
  }

  /** The public address of a port, counted from 0. */
  at(port: number): string {
    return `${PUBLIC_ADDRESS}:${this.server.portMin + port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const relay of this.#relays) await relay[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

/** Presses the button and waits for the verdict. */
export async function checkPath(page: Page): Promise<ShownCheck> {
  await page.click("#path-button");
  await page.locator("#path-copy").waitFor();
  return await page.evaluate(readCheck);
}

/** Waits until the server has nobody but `viewers` left, and expects the page's own connections of the check closed. */
export async function assertNothingLeft(
  { page }: BrowserPage,
  { server, viewers }: { server: ServerProcess; viewers: number },
): Promise<void> {
  await eventually(async () => await server.metric("port_places", { state: "used" }) === viewers, {
    what: "for the places of the check to be free",
  });
  const open = await page.evaluate(
    `notebook.peers.filter((peer) => peer.connectionState !== "closed").length`,
  );
  assert.equal(open, viewers);
}

function readCheck(): ShownCheck {
  const textOf = (from: ParentNode, selector: string) =>
    from.querySelector(selector)?.textContent ?? "";
  return {
    verdict: textOf(document, "#path-words"),
    tone: document.querySelector("#path-verdict")?.getAttribute("data-tone") ?? "",
    tries: Array.from(document.querySelectorAll("#path-tries li"), (item) => item.textContent),
    lines: Array.from(document.querySelectorAll("#path-steps li"), (line) => ({
      state: line.getAttribute("data-state") ?? "",
      title: textOf(line, "b"),
      words: textOf(line, "span"),
    })),
  };
}
