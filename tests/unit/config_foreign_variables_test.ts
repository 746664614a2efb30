import assert from "assert";
import { formatProblem } from "../../src/config/problem.ts";
import { parseConfig } from "../../src/config/parse.ts";

function problemsOf(env: Readonly<Record<string, string>>): string[] {
  const parsed = parseConfig({ text: "", fileName: "config.toml", env });
  return "problems" in parsed ? parsed.problems.map(formatProblem) : [];
}

Deno.test("variables: those of a Service of Kubernetes called pinhole are passed over", () => {
  const env: Record<string, string> = {
    PINHOLE_SERVICE_HOST: "10.98.190.45",
    PINHOLE_SERVICE_PORT: "9000",
    PINHOLE_SERVICE_PORT_HTTP: "9000",
    PINHOLE_SERVICE_PORT_MEDIA_1: "10111",
    PINHOLE_PORT: "tcp://10.98.190.45:9000",
    PINHOLE_PORT_9000_TCP: "tcp://10.98.190.45:9000",
    PINHOLE_PORT_9000_TCP_PROTO: "tcp",
    PINHOLE_PORT_9000_TCP_PORT: "9000",
    PINHOLE_PORT_9000_TCP_ADDR: "10.98.190.45",
    PINHOLE_PORT_10111_UDP: "udp://10.98.190.45:10111",
    PINHOLE_PORT_10111_UDP_PROTO: "udp",
    PINHOLE_PORT_10111_UDP_PORT: "10111",
    PINHOLE_PORT_10111_UDP_ADDR: "fd00::1",
    // Of Services called pinhole-web and pinhole-video.
    PINHOLE_WEB_SERVICE_HOST: "fd00::2",
    PINHOLE_WEB_SERVICE_PORT: "80",
    PINHOLE_WEB_PORT: "tcp://[fd00::2]:80",
    PINHOLE_VIDEO_PORT: "udp://10.98.190.46:10111",
  };
  assert.deepEqual(problemsOf(env), []);
});

Deno.test("variables: those of a link of Docker to a container called pinhole are passed over", () => {
  const env: Record<string, string> = {
    PINHOLE_NAME: "/web/pinhole",
    PINHOLE_PORT: "tcp://172.17.0.5:9000",
    PINHOLE_PORT_9000_TCP: "tcp://172.17.0.5:9000",
    PINHOLE_PORT_9000_TCP_START: "tcp://172.17.0.5:9000",
    PINHOLE_PORT_9000_TCP_PORT_END: "9001",
    PINHOLE_ENV_PATH: "/usr/bin",
    PINHOLE_ENV_PINHOLE_LOG_LEVEL: "debug",
    PINHOLE_1_ENV_LANG: "",
    PINHOLE_1_NAME: "/web/pinhole_1",
  };
  assert.deepEqual(problemsOf(env), []);
});

Deno.test("variables: keys that are misspelt are refused by name all the same", () => {
  const env: Record<string, string> = {
    PINHOLE_WEBRTC_PORT: "10111",
    PINHOLE_WEBRTC_PORT_MN: "10111",
    PINHOLE_SERVER_PORT: "9000",
    PINHOLE_SERVER_HOST: "127.0.0.1",
    PINHOLE_SERVICE_LISTEN: "127.0.0.1:9000",
    PINHOLE_PORT: "9000",
    PINHOLE_PORT_MIN: "10111",
    PINHOLE_NAME: "demo",
    PINHOLE_SERVICE_HOST: "pinhole.example",
    PINHOLE_BRIDGE_NAME: "demo",
  };
  const refused = problemsOf(env).map((problem) => problem.split(":")[0]);
  assert.deepEqual(refused.sort(), Object.keys(env).sort());
  assert.match(problemsOf({ PINHOLE_WEBRTC_PORT_MN: "1" })[0] ?? "", /PINHOLE_WEBRTC_PORT_MIN\?/);
});

Deno.test("variables: a key of ours is never taken for another's, whatever its value", () => {
  assert.equal(problemsOf({ PINHOLE_WEBRTC_PORT_MIN: "tcp://10.0.0.1:80" }).length, 1);
});
