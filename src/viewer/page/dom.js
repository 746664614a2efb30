// @ts-check
/// <reference lib="dom" />
/** Small things that the parts of the page do to its elements. @module */

/**
 * The element of this id.
 * @param {string} id
 * @throws {Error} When the page has none.
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element "${id}"`);
  return found;
}

/**
 * Leaves a node alone that says so already, as screen readers would read it out again.
 * @param {Element | null | undefined} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

/**
 * Fills a list, and like {@link setText} leaves one alone that says so already.
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
 * Copies what stands in a text area; where that fails, the area is shown with its text selected.
 * @param {HTMLTextAreaElement} area
 * @returns {Promise<boolean>} Whether the text is on the clipboard.
 */
export async function copyText(area) {
  try {
    await navigator.clipboard.writeText(area.value);
    return true;
  } catch {
    // Pages over plain http have no clipboard API, and others may be refused it.
    area.hidden = false;
    area.select();
    return document.execCommand("copy");
  }
}
