/// <reference lib="dom" />
import assert from "assert";
import type { Page } from "playwright-core";
import { browserTest } from "../support/browsers/browser.ts";
import { ServerProcess } from "../support/servers/server_process.ts";

/** WCAG 2.2: 1.4.3 for text, 1.4.11 for what shows where a control is. */
const TEXT_LEAST = 4.5;
const CONTROL_LEAST = 3;

/** A contrast that is measured on the page. */
interface Contrast {
  readonly what: string;
  readonly ratio: number;
}

for (const colorScheme of ["light", "dark"] as const) {
  browserTest(`pages: text and controls stand out, ${colorScheme}`, async (browser) => {
    await using server = await ServerProcess.start({
      ports: 1,
      config: { "video.width": 320, "video.height": 180 },
    });
    const page = await browser.newPage({ colorScheme });
    for (const path of ["/?session=a%20b", "/status", "/?session=demo"]) {
      await page.goto(`${server.origin}${path}`);
      const { text, controls } = await readContrasts(page, path);
      assert.ok(text.length > 5 && controls.length + text.length > 8, path);
      const weak = [
        ...text.filter(({ ratio }) => ratio < TEXT_LEAST),
        ...controls.filter(({ ratio }) => ratio < CONTROL_LEAST),
      ];
      assert.deepEqual(weak, [], path);
    }
  });
}

/** Measures what is to be seen once the page says how it stands. */
async function readContrasts(
  page: Page,
  path: string,
): Promise<{ text: Contrast[]; controls: Contrast[] }> {
  const settled = path === "/status" ? /^Ready$/ : /^(Playing|Failed)$/;
  await page.locator("#status").filter({ hasText: settled }).waitFor();
  return await page.evaluate(measure);
}

function measure(): { text: Contrast[]; controls: Contrast[] } {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("No canvas");
  /** sRGB, 0 to 255, and alpha: the canvas understands every form of a colour. */
  const rgba = (color: string) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color: string) => {
    const [red = 0, green = 0, blue = 0] = rgba(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one: string, other: string) => {
    const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return Math.round(100 * (light + 0.05) / (dark + 0.05)) / 100;
  };
  const groundOf = (element: Element | null): string => {
    if (!element) return "white";
    const { backgroundColor } = getComputedStyle(element);
    return rgba(backgroundColor)[3] === 255 ? backgroundColor : groundOf(element.parentElement);
  };
  const isSeen = (element: Element) =>
    element.checkVisibility({ checkVisibilityCSS: true }) && !element.closest("#stage");
  const name = (element: Element) =>
    `${element.tagName.toLowerCase()}${element.id && `#${element.id}`} ${
      element.textContent?.trim().slice(0, 24)
    }`;
  const all = [...document.body.querySelectorAll("*")].filter(isSeen);
  const hasText = (element: Element) =>
    [...element.childNodes].some(({ nodeType, textContent }) =>
      nodeType === 3 && textContent?.trim()
    );
  return {
    text: all.filter(hasText).map((element) => ({
      what: name(element),
      ratio: ratio(getComputedStyle(element).color, groundOf(element)),
    })),
    controls: all.filter((element) => element.matches("button, input, textarea")).map((
      element,
    ) => ({
      what: name(element),
      ratio: Math.max(
        ratio(getComputedStyle(element).borderTopColor, groundOf(element.parentElement)),
        // A filled button stands out by itself.
        ratio(groundOf(element), groundOf(element.parentElement)),
      ),
    })),
  };
}
