import { SYSTEM_CLOCK } from "../base/clock.ts";
import type { ServiceVariables } from "../config/service_variables.ts";
import { readServiceEnvironment, ServiceManager } from "../observability/systemd.ts";
import type { RunningServer } from "./compose.ts";
import { openNotifySocket } from "./notify_socket.ts";

/** What the service manager is told of a running server until this is disposed of. */
export interface ServiceLink extends Disposable {
  /** The server is on its way down, which may take this long, in milliseconds. */
  stopping(withinMs: number): void;
}

const NO_SERVICE: ServiceLink = { stopping() {}, [Symbol.dispose]() {} };

/**
 * Tells systemd that the server is up, and how it is from now on. Where the program is no service of type `notify`, it
 * tells nobody anything.
 * @throws {Error} When `NOTIFY_SOCKET` is no address, or there is no C library to reach it by.
 */
export function announceService(server: RunningServer, variables: ServiceVariables): ServiceLink {
  const environment = readServiceEnvironment(variables, Deno.pid);
  if (environment === undefined) return NO_SERVICE;
  const { notifySocket, watchdogMs } = environment;
  const socket = openNotifySocket(notifySocket);
  let isStopping = false;
  const manager = new ServiceManager({
    send: (datagram) => void socket.send(datagram),
    watchdogMs,
    status: () => `${isStopping ? "Leaving" : "Serving"}: ${server.occupancy}`,
    stuck: () => server.stuck,
    clock: SYSTEM_CLOCK,
  });
  manager.ready();
  return {
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
