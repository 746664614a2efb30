/** The line that limits a proxy. */
const LIMIT = /^transport\.bandwidthLimit = .*\n/gm;

/** frpc's file with each media proxy limited; frp's unit is 1024 bytes. */
export function withLimit(frpcToml: string, bytesPerSecond: number): string {
  const line = `transport.bandwidthLimit = "${Math.ceil(bytesPerSecond / 1024)}KB"`;
  return withoutLimit(frpcToml).replaceAll(/^name = "(?:udp|tcp)_\d+"$/gm, `$&\n${line}`);
}

/** frpc's file without the limit of any proxy. */
export function withoutLimit(frpcToml: string): string {
  return frpcToml.replaceAll(LIMIT, "");
}

/** frpc's file without the proxies that carry UDP, so that browsers come by TCP. */
export function withoutUdp(frpcToml: string): string {
  return frpcToml.split(/(?=^\[\[proxies\]\])/m)
    .filter((block) => !/^type = "udp"$/m.test(block))
    .join("");
}
