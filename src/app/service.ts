import { SYSTEM_CLOCK } from "../base/clock.ts";
import type { ServiceVariables } from "../config/environment.ts";
import { readServiceEnvironment, ServiceManager } from "../observability/systemd.ts";
import type { RunningServer } from "./compose.ts";
import { openNotifySocket } from "./notify_socket.ts";

/** Reports the state of this program to the service manager, until disposed. */
export interface ServiceLink extends Disposable {
  /** Reports that the server is ready, and from then on its status. Called once. */
  ready(server: RunningServer): void;
  /** Reports that the program is stopping, which may take this long, in milliseconds. */
  stopping(withinMs: number): void;
}

const NO_SERVICE: ServiceLink = { ready() {}, stopping() {}, [Symbol.dispose]() {} };

/**
 * Opens the connection to systemd. Does nothing if the program is not a service of type `notify`.
 * @throws {Error} If `NOTIFY_SOCKET` is not a valid address, or the C library cannot be loaded.
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
