import assert from "assert";
import {
  createPublicAddressFinder,
  type PublicAddressOptions,
} from "../../src/app/public_address.ts";
import { parsePublicPort } from "../../src/config/public_port.ts";
import { HOST_RESOLVER } from "../../src/app/name_resolver.ts";
import { plannedRange } from "../support/parts/planned_ports.ts";
import { ViewerError } from "../../src/session/session_api.ts";

/** Finds the UDP address. */
function finder(options: Partial<PublicAddressOptions> = {}) {
  const find = createPublicAddressFinder({
    publicIp: undefined,
    ports: plannedRange({ portMin: 10111, portMax: 10115 }),
    ipv6: false,
    resolve: () => Promise.reject(new Error("not asked for")),
    ...options,
  });
  return async (localPort: number, reachedHost: string) => {
    const { udp } = await find(localPort, reachedHost);
    return udp ?? assert.fail(`No address of ${localPort}`);
  };
}

/** Answers every look-up with the same addresses. */
function resolveTo(...addresses: string[]) {
  return () => Promise.resolve(addresses);
}

Deno.test("public address: an address of the configuration is announced as it is, however it was reached", async () => {
  const find = finder({ publicIp: "51.161.209.200" });
  assert.deepEqual(await find(10113, "gpu.internal"), { address: "51.161.209.200", port: 10113 });
});

Deno.test("public address: local ports are mapped one to one from public_port_min on", async () => {
  const ports = plannedRange({ portMin: 40_000, portMax: 40_004, publicPortMin: 10111 });
  const find = finder({ publicIp: "203.0.113.7", ports });
  assert.equal((await find(40_000, "x")).port, 10111);
  assert.equal((await find(40_004, "x")).port, 10115);
});

Deno.test("public address: a port may have a place of its own for each transport", async () => {
  const publicPorts = ["10111/udp=41022", "10111/tcp=media.example:41023", "10112=41024"]
    .map((text) => parsePublicPort(text) ?? assert.fail(text));
  const find = createPublicAddressFinder({
    publicIp: "203.0.113.7",
    ports: plannedRange({ portMin: 10111, portMax: 10112, tcp: true, publicPorts }),
    ipv6: false,
    resolve: resolveTo("203.0.113.9"),
  });
  assert.deepEqual(await find(10111, "x"), {
    udp: { address: "203.0.113.7", port: 41022 },
    tcp: { address: "203.0.113.9", port: 41023 },
  });
  const both = { address: "203.0.113.7", port: 41024 };
  assert.deepEqual(await find(10112, "x"), { udp: both, tcp: both });
});

Deno.test("public address: an entry whose host does not resolve costs its own transport, and is named", async () => {
  const publicPorts = [
    "10111/udp=41022",
    "10111/tcp=gone.example:41023",
    "10112=gone.example:41024",
  ]
    .map((text) => parsePublicPort(text) ?? assert.fail(text));
  const find = createPublicAddressFinder({
    publicIp: "203.0.113.7",
    ports: plannedRange({ portMin: 10111, portMax: 10112, tcp: true, publicPorts }),
    ipv6: false,
    resolve: resolveTo(),
  });
  const udp = { address: "203.0.113.7", port: 41022 };
  assert.deepEqual(await find(10111, "x"), { udp, tcp: undefined });
  await assert.rejects(find(10112, "x"), (error) => {
    assert.ok(error instanceof ViewerError);
    assert.equal(error.code, "internal");
    assert.match(error.message, /webrtc\.public_ports: "10112=gone\.example:41024"/);
    return true;
  });
});

Deno.test("public address: without one, the address that the viewer used is announced", async () => {
  const find = finder();
  assert.equal((await find(10111, "192.0.2.9")).address, "192.0.2.9");
  for (const localhost of ["localhost", "LocalHost"]) {
    assert.equal((await find(10111, localhost)).address, "127.0.0.1");
  }
});

Deno.test("public address: a name is resolved anew each time, and IPv4 comes first", async () => {
  let asked = 0;
  const find = finder({
    publicIp: "gpu.example",
    resolve: (name) => {
      assert.equal(name, "gpu.example");
      return Promise.resolve(["2001:db8::1", `203.0.113.${++asked}`]);
    },
  });
  assert.equal((await find(10111, "x")).address, "203.0.113.1");
  assert.equal((await find(10111, "x")).address, "203.0.113.2");
});

Deno.test("public address: IPv6 is announced only where the ports listen on it", async () => {
  const resolve = resolveTo("2001:db8::1");
  assert.equal(
    (await finder({ ipv6: true, resolve })(10111, "six.example")).address,
    "2001:db8::1",
  );
  assert.equal((await finder({ ipv6: true })(10111, "2001:db8::2")).address, "2001:db8::2");
  await assert.rejects(finder({ resolve })(10111, "six.example"), (error) => {
    assert.ok(error instanceof ViewerError);
    assert.match(error.message, /only IPv6 addresses.*webrtc\.public_ip/);
    return true;
  });
});

Deno.test("public address: a name without an address is an error that says what to set", async () => {
  const failing = [resolveTo(), () => Promise.reject(new Error("NXDOMAIN")), resolveTo("nonsense")];
  for (const resolve of failing) {
    await assert.rejects(finder({ resolve })(10111, "gone.example"), { code: "unknown_host" });
    // What the operator wrote is no fault of the client.
    const configured = finder({ resolve, publicIp: "gone.example" });
    await assert.rejects(configured(10111, "203.0.113.7"), { code: "internal" });
  }
  const [none] = failing;
  if (none === undefined) return;
  await assert.rejects(
    finder({ resolve: none })(10111, "gone.example"),
    /"gone.example".*public_ip/,
  );
});

Deno.test("HOST_RESOLVER: finds what the host's own files name", async () => {
  const found = await HOST_RESOLVER.resolve("localhost", { isConfigured: false });
  assert.ok(found.includes("127.0.0.1"));
});
