// @ts-check
/// <reference lib="dom" />
/** Helpers for elements of the page. @module */

/**
 * The element of this id.
 * @param {string} id
 * @throws {Error} When there is none.
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element "${id}"`);
  return found;
}

/**
 * Sets a node's text only if it differs, because screen readers would read it again.
 * @param {Element | null | undefined} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

/**
 * Fills a list; like {@link setText}, only if the texts differ.
 * @param {Element} list
 * @param {readonly string[]} texts
 */
export function showList(list, texts) {
  if (list.textContent === texts.join("")) return;
  list.replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

/**
 * Copies the content of a text area; if that fails, shows the area with its text selected.
 * @param {HTMLTextAreaElement} area
 * @returns {Promise<boolean>} Whether the text is on the clipboard.
 */
export async function copyText(area) {
  try {
    await navigator.clipboard.writeText(area.value);
    return true;
  } catch {
    // Pages over plain http have no clipboard API, and others may be denied access.
    area.hidden = false;
    area.select();
    return document.execCommand("copy");
  }
}
