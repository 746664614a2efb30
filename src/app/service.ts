import { SYSTEM_CLOCK } from "../base/clock.ts";
import type { ServiceVariables } from "../config/environment.ts";
import { readServiceEnvironment, ServiceManager } from "../observability/systemd.ts";
import type { RunningServer } from "./compose.ts";
import { openNotifySocket } from "./notify_socket.ts";

/** What the service manager is told of this program until this is disposed of. */
export interface ServiceLink extends Disposable {
  /** The server is up; from now on the service manager hears how it is. Called once. */
  ready(server: RunningServer): void;
  /** The program is on its way down, whether it was ready or not; that may take this long, in milliseconds. */
  stopping(withinMs: number): void;
}

const NO_SERVICE: ServiceLink = { ready() {}, stopping() {}, [Symbol.dispose]() {} };

/**
 * Opens the way to systemd. Where the program is no service of type `notify`, nobody is told anything.
 * @throws {Error} When `NOTIFY_SOCKET` is no address, or there is no C library to reach it by.
 */
export function openServiceLink(variables: ServiceVariables): ServiceLink {
  const environment = readServiceEnvironment(variables, Deno.pid);
  if (environment === undefined) return NO_SERVICE;
  const { notifySocket, watchdogMs } = environment;
  const socket = openNotifySocket(notifySocket);
  let server: RunningServer | undefined;
  let isStopping = false;
  const manager = new ServiceManager({
    send: (datagram) => void socket.send(datagram),
    watchdogMs,
    status: () => `${isStopping ? "Leaving" : "Serving"}: ${server?.occupancy()}`,
    stuck: () => server?.stuck(),
    clock: SYSTEM_CLOCK,
  });
  return {
    ready(running) {
      server = running;
      manager.ready();
    },
    stopping(withinMs) {
      isStopping = true;
      manager.stopping(withinMs);
    },
    [Symbol.dispose]() {
      manager[Symbol.dispose]();
      socket[Symbol.dispose]();
    },
  };
}
