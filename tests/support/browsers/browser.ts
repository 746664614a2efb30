import { type Browser, chromium } from "playwright-core";
import puppeteer, { type Browser as BidiBrowser } from "puppeteer-core";
import { patience, SOON_MS, within } from "../deadline.ts";
import { Machine } from "../machine/machine.ts";

/** A browser that tests drive: Chromium by DevTools protocol, Firefox by WebDriver BiDi. */
export type BrowserKind = "chromium" | "firefox";

/** Every {@link BrowserKind}. */
export const BROWSERS: readonly BrowserKind[] = ["chromium", "firefox"];

const KINDS = {
  chromium: {
    variable: "PINHOLE_BROWSER",
    names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    debianPackage: "chromium",
  },
  firefox: {
    variable: "PINHOLE_FIREFOX",
    names: ["firefox-esr", "firefox"],
    debianPackage: "firefox-esr",
  },
} as const satisfies Record<BrowserKind, unknown>;

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Far more than any test takes: one that waits for what never comes fails instead of holding up the run. */
const TEST_LIMIT_MS = 120_000;

const APT_GET = "/usr/bin/apt-get";

/** How to launch a browser. */
export interface BrowserOptions {
  /** Command-line arguments beside the usual ones. */
  readonly args?: readonly string[];
  /** Firefox preferences. */
  readonly preferences?: Readonly<Record<string, string | number | boolean>>;
  /** How long a test of {@link browserTest} may take, in milliseconds. Default: two minutes. */
  readonly limitMs?: number;
}

/**
 * Launches a headless Chromium with a fresh profile. `await using` closes it and removes the profile.
 * @throws {Error} When there is none; {@link browserTest} skips its test instead.
 */
export async function openChromium(options: BrowserOptions = {}): Promise<Browser> {
  const timeout = SOON_MS * patience();
  const browser = await chromium.launch({
    executablePath: requireBrowser("chromium"),
    args: [...CHROMIUM_ARGS, ...options.args ?? []],
    timeout,
  });
  // Playwright's own 30 s are too few for a page of a busy machine, and can be set for each context only.
  const newContext = browser.newContext.bind(browser);
  browser.newContext = async (options) => {
    const context = await newContext(options);
    context.setDefaultTimeout(timeout);
    return context;
  };
  return browser;
}

/**
 * Launches a headless Firefox with a fresh profile. `await using` closes it and removes the profile.
 * @throws {Error} When there is none; {@link firefoxTest} skips its test instead.
 */
export function openFirefox(options: BrowserOptions = {}): Promise<BidiBrowser> {
  return puppeteer.launch({
    browser: "firefox",
    timeout: SOON_MS * patience(),
    executablePath: requireBrowser("firefox"),
    args: [...options.args ?? []],
    extraPrefsFirefox: options.preferences ?? {},
  });
}

/**
 * Registers a test with a Chromium of its own, which is closed before the sanitizers look. Without Chromium the test
 * is reported as ignored, and one line says what would enable it.
 */
export function browserTest(
  name: string,
  run: (browser: Browser, test: Deno.TestContext, machine: Machine) => Promise<void>,
  options: BrowserOptions = {},
): void {
  register("chromium", name, async (test, machine) => {
    await using browser = await openChromium(options);
    await limited(run(browser, test, machine), options.limitMs);
  });
}

/** {@link browserTest} for Firefox. */
export function firefoxTest(
  name: string,
  run: (browser: BidiBrowser, test: Deno.TestContext, machine: Machine) => Promise<void>,
  options: BrowserOptions = {},
): void {
  register("firefox", name, async (test, machine) => {
    await using browser = await openFirefox(options);
    await limited(run(browser, test, machine));
  });
}

/**
 * Path of a browser: of the environment variable, else of the usual names on PATH, else of Debian's package, which is
 * installed where that is possible. `undefined` when there is none.
 * @throws {Error} When the environment variable names no file.
 */
export function findBrowser(kind: BrowserKind): string | undefined {
  const { variable } = KINDS[kind];
  const named = Deno.env.get(variable);
  if (named) {
    if (isFile(named)) return named;
    throw new Error(`${variable} names "${named}", which is no file`);
  }
  return onPath(kind) ?? (install(kind) ? onPath(kind) : undefined);
}

function requireBrowser(kind: BrowserKind): string {
  const path = findBrowser(kind);
  if (path === undefined) throw new Error(`Cannot find ${kind}: ${browserAdvice(kind)}`);
  return path;
}

function register(
  kind: BrowserKind,
  name: string,
  run: (test: Deno.TestContext, machine: Machine) => Promise<void>,
): void {
  const ignore = findBrowser(kind) === undefined;
  if (ignore && isFirst(`PINHOLE_TEST_SAID_NO_${kind}`)) {
    say(`Tests skipped: ${browserAdvice(kind)}`);
  }
  const fn = async (test: Deno.TestContext) => {
    using machine = Machine.watch(test);
    await machine.run(() => run(test, machine));
  };
  Deno.test({ name, ignore, fn });
}

async function limited(work: Promise<void>, limitMs = TEST_LIMIT_MS): Promise<void> {
  await within(work, { what: "for the test to end", ms: limitMs });
}

/** What is missing when {@link findBrowser} finds nothing, and the command that would mend it. */
export function browserAdvice(kind: BrowserKind): string {
  const { variable, debianPackage } = KINDS[kind];
  return `no ${kind} on PATH or in ${variable}. To enable: ` +
    `sudo apt-get install -y --no-install-recommends ${debianPackage}`;
}

function onPath(kind: BrowserKind): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  return KINDS[kind].names
    .flatMap((name) => folders.map((folder) => `${folder}/${name}`))
    .find(isFile);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Installs Debian's package; true when that worked. Tried once for all test files of a run. */
function install(kind: BrowserKind): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0 || !isFile(APT_GET)) return false;
  if (!isFirst(`PINHOLE_TEST_INSTALLED_${kind}`)) return false;
  const { debianPackage } = KINDS[kind];
  say(`Installing ${debianPackage} with apt-get, for the browser tests …`);
  // Test files that run side by side wait for each other's lock.
  const lock = ["-o", "DPkg::Lock::Timeout=300"];
  return aptGet([...lock, "update", "-q"]) &&
    aptGet([...lock, "install", "-y", "-q", "--no-install-recommends", debianPackage]);
}

function aptGet(args: readonly string[]): boolean {
  const { success } = new Deno.Command(APT_GET, {
    args: [...args],
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success;
}

/** The environment is what all test files of one run share. */
function isFirst(mark: string): boolean {
  const first = Deno.env.get(mark) === undefined;
  Deno.env.set(mark, "1");
  return first;
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
