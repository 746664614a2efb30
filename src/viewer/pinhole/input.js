// @ts-check
/// <reference lib="dom" />
/** Sends input events on the picture to the renderer, as compact JSON. @module */
/** @typedef {import("../pinhole.d.ts").PinholePlayer} PinholePlayer */

/**
 * Sends pointer, wheel and keyboard events on a video element; docs/client.md lists the messages. Moves are merged
 * into one message per screen refresh.
 * @param {PinholePlayer} player
 * @param {HTMLVideoElement} video Gets the keyboard focus on a click.
 * @returns {() => void} Stops it.
 */
export function forwardInput(player, video) {
  const stop = new AbortController();
  const { signal } = stop;
  /** @type {PointerEvent | null} */
  let move = null;
  /** @param {object} message */
  const send = (message) => player.send(JSON.stringify(message));
  /** @param {string} event @param {MouseEvent} from */
  const pointer = (event, from) => {
    const { x, y } = positionIn(video, from);
    send({ type: "pointer", event, x, y, buttons: from.buttons });
  };
  const flush = () => {
    if (move) pointer("move", move);
    move = null;
  };

  video.addEventListener("pointermove", (event) => {
    if (!move) requestAnimationFrame(flush);
    move = event;
  }, { signal });
  video.addEventListener("pointerdown", (event) => {
    flush();
    video.focus();
    video.setPointerCapture(event.pointerId);
    pointer("down", event);
  }, { signal });
  video.addEventListener("pointerup", (event) => {
    flush();
    pointer("up", event);
  }, { signal });
  video.addEventListener("wheel", (event) => {
    event.preventDefault();
    send({ type: "wheel", ...positionIn(video, event), dx: event.deltaX, dy: event.deltaY });
  }, { signal, passive: false });
  for (const kind of /** @type {const} */ (["keydown", "keyup"])) {
    video.addEventListener(kind, (event) => {
      const { key, code, repeat } = event;
      // Leave shortcuts and the Tab key to the browser.
      if (key === "Tab" || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      send({ type: "key", event: kind === "keydown" ? "down" : "up", key, code, repeat });
    }, { signal });
  }
  if (video.tabIndex < 0) video.tabIndex = 0;
  return () => stop.abort();
}

/**
 * Position of an event in the picture, 0–1 from its left and top edges, without the bars.
 * @param {HTMLVideoElement} video
 * @param {MouseEvent} event
 */
function positionIn(video, { clientX, clientY }) {
  const box = video.getBoundingClientRect();
  const scale = Math.min(
    box.width / (video.videoWidth || box.width),
    box.height / (video.videoHeight || box.height),
  );
  const width = (video.videoWidth || box.width) * scale;
  const height = (video.videoHeight || box.height) * scale;
  return {
    x: share((clientX - box.left - (box.width - width) / 2) / width),
    y: share((clientY - box.top - (box.height - height) / 2) / height),
  };
}

/** @param {number} value */
function share(value) {
  return Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
}
