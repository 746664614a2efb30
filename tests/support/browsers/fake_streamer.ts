/// <reference lib="dom" />
import type { Browser, Page } from "playwright-core";

/** Needed by the browser that a {@link FakeStreamer} runs in: its addresses are written into answers as they are. */
export const STREAMER_ARGS = ["--disable-features=WebRtcHideLocalIpsWithMdns"] as const;

/** How an answer departs from one that works. */
export interface AnswerOptions {
  /** Announce this address and port, where nothing answers, instead of the real one. */
  readonly unreachableAt?: string;
  /** Send no pictures. */
  readonly still?: boolean;
  /** Send a tone with the pictures. */
  readonly sound?: boolean;
}

/**
 * Stands in for the server's media side: another page of the browser that streams a moving canvas, and sends back what
 * comes over a data channel.
 */
export class FakeStreamer {
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
  }

  /** @param browser Launched with {@link STREAMER_ARGS}; closing it ends the streamer. */
  static async open(browser: Browser): Promise<FakeStreamer> {
    const page = await browser.newPage();
    await page.setContent("<canvas width=640 height=360></canvas>");
    await page.evaluate(paint);
    return new FakeStreamer(page);
  }

  /** Answers an offer of a client; the stream starts by itself. */
  async answer(
    offer: string,
    { unreachableAt, still = false, sound = false }: AnswerOptions = {},
  ): Promise<string> {
    const sdp = unreachableAt === undefined ? offer : withoutCandidates(offer);
    const answer = await this.#page.evaluate(answerOffer, { sdp, still, sound });
    return unreachableAt === undefined ? answer : announce(answer, unreachableAt);
  }
}

/** A picture that changes all the time, so that the encoder has something to send. */
function paint(): void {
  const canvas = document.querySelector("canvas");
  const context = canvas?.getContext("2d");
  if (!canvas || !context) throw new Error("No canvas");
  const bars = ["#c0c0c0", "#c0c000", "#00c0c0", "#00c000", "#c000c0", "#c00000", "#0000c0"];
  setInterval(() => {
    bars.forEach((color, index) => {
      context.fillStyle = color;
      context.fillRect(index * 92, 0, 92, 360);
    });
    const turn = performance.now() / 600;
    context.fillStyle = "#ffffff";
    context.beginPath();
    context.arc(320 + 220 * Math.cos(turn), 180 + 110 * Math.sin(turn), 36, 0, 7);
    context.fill();
  }, 33);
}

async function answerOffer(
  { sdp, still, sound }: { sdp: string; still: boolean; sound: boolean },
): Promise<string> {
  const peer = new RTCPeerConnection({ iceServers: [] });
  const canvas = document.querySelector("canvas");
  const track = canvas?.captureStream(30).getVideoTracks()[0];
  if (!track) throw new Error("No track");
  peer.ondatachannel = ({ channel }) => channel.onmessage = ({ data }) => channel.send(data);
  await peer.setRemoteDescription({ type: "offer", sdp });
  const [video, audio] = peer.getTransceivers();
  if (!video || !audio) throw new Error("The offer lacks video or audio");
  video.direction = "sendonly";
  audio.direction = sound ? "sendonly" : "inactive";
  if (sound) {
    const context = new AudioContext();
    const tone = new MediaStreamAudioDestinationNode(context);
    const oscillator = new OscillatorNode(context);
    oscillator.connect(tone);
    oscillator.start();
    await audio.sender.replaceTrack(tone.stream.getAudioTracks()[0] ?? null);
  }
  if (!still) await video.sender.replaceTrack(track);
  await peer.setLocalDescription();
  if (peer.iceGatheringState !== "complete") {
    await new Promise<void>((resolve) => {
      peer.onicecandidate = ({ candidate }) => candidate ?? resolve();
    });
  }
  return peer.localDescription?.sdp ?? "";
}

function withoutCandidates(sdp: string): string {
  return sdp.replace(/^a=candidate:.*\r\n/gm, "");
}

function announce(sdp: string, at: string): string {
  const [address, port] = at.split(":");
  const line = `a=candidate:1 1 udp 2130706431 ${address} ${port} typ host\r\n`;
  return withoutCandidates(sdp).replace(/^a=ice-ufrag/m, `${line}a=ice-ufrag`);
}
