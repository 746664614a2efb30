// libdatachannel behind standard input and output: one JSON command a line in, one JSON event a line out.
// tests/support/client_program.ts has the commands and the events.
import { createRequire } from "node:module";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const { Audio, cleanup, PeerConnection, RtcpReceivingSession, Video } = createRequire(
  import.meta.url,
)("node-datachannel");

const REPORT_INTERVAL_MS = 50;
const CLOSING_MS_MAX = 2_000;
const PAYLOAD_TYPES = { H264: 102, VP8: 96, opus: 111 };
const H264_PROFILE = "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1";
const NAL_IDR = 5, NAL_SPS = 7, NAL_STAP_A = 24, NAL_FU_A = 28;

let peer;
let channel;
let told = "";
let sections = 0;
const tracks = [];
const counts = {};

function say(event, fields = {}) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

function open({ network, bundle }) {
  if (bundle !== undefined && bundle !== "max-bundle") throw new Error("it bundles always");
  peer = new PeerConnection("client", {
    iceServers: [],
    disableAutoNegotiation: true,
    enableIceTcp: network === "tcp",
  });
  peer.onStateChange((state) => say("state", { state }));
  setInterval(report, REPORT_INTERVAL_MS);
}

function report() {
  const text = JSON.stringify(counts);
  if (text !== told) say("media", counts);
  told = text;
}

async function offer(command) {
  if (command.restart) throw new Error("it restarts no ICE");
  if (peer === undefined) open(command);
  for (let at = 0; at < (command.video ?? 0); at++) addVideo(command.codec);
  for (let at = 0; at < (command.audio ?? 0); at++) addAudio();
  if (command.channel) openChannel();
  const gathered = new Promise((resolve) => {
    const check = () => peer.gatheringState() === "complete" && resolve();
    peer.onGatheringStateChange(check);
    // After the first offer it gathers no more.
    setTimeout(check);
  });
  peer.setLocalDescription("offer");
  await gathered;
  say("offer", { sdp: peer.localDescription().sdp });
}

function addVideo(codec) {
  const video = new Video(`video${sections++}`, "RecvOnly");
  if (codec !== "VP8") video.addH264Codec(PAYLOAD_TYPES.H264, H264_PROFILE);
  if (codec !== "H264") video.addVP8Codec(PAYLOAD_TYPES.VP8);
  consume(peer.addTrack(video), "video");
}

function addAudio() {
  const audio = new Audio(`audio${sections++}`, "RecvOnly");
  audio.addOpusCodec(PAYLOAD_TYPES.opus);
  consume(peer.addTrack(audio), "audio");
}

function consume(track, kind) {
  const tally = counts[kind] ??= { packets: 0, keyframes: 0 };
  track.setMediaHandler(new RtcpReceivingSession());
  track.onClosed(() => say("ended", { kind }));
  track.onMessage((packet) => {
    tally.packets++;
    if (kind === "video" && beginsKeyframe(packet)) tally.keyframes++;
  });
  tracks.push({ track, kind });
}

/** By the payload's headers: RFC 3550 §5.1, RFC 6184 §5.2 and §5.8, RFC 7741 §4.2. */
function beginsKeyframe(packet) {
  const extensionAt = 12 + 4 * (packet[0] & 0xf);
  const hasExtension = (packet[0] & 0x10) !== 0;
  const at = extensionAt + (hasExtension ? 4 + 4 * packet.readUInt16BE(extensionAt + 2) : 0);
  if ((packet[1] & 0x7f) === PAYLOAD_TYPES.VP8) return beginsVp8Keyframe(packet.subarray(at));
  const type = packet[at] & 0x1f;
  if (type === NAL_STAP_A) return (packet[at + 3] & 0x1f) === NAL_SPS;
  if (type === NAL_FU_A) return (packet[at + 1] & 0x9f) === (0x80 | NAL_IDR);
  return type === NAL_IDR;
}

function beginsVp8Keyframe(payload) {
  if ((payload[0] & 0x1f) !== 0x10) return false;
  let at = 1;
  if ((payload[0] & 0x80) !== 0) {
    const extras = payload[at++];
    if ((extras & 0x80) !== 0) at += (payload[at] & 0x80) === 0 ? 1 : 2;
    if ((extras & 0x40) !== 0) at++;
    if ((extras & 0x30) !== 0) at++;
  }
  return (payload[at] & 1) === 0;
}

function openChannel() {
  channel = peer.createDataChannel("pinhole");
  channel.onOpen(() => say("channel", { state: "open" }));
  channel.onClosed(() => say("channel", { state: "closed" }));
  channel.onMessage((text) => say("message", { text: String(text) }));
}

/** Its threads send the last datagrams. */
async function close() {
  const closed = new Promise((resolve) =>
    peer.onStateChange((state) => state === "closed" && resolve())
  );
  peer.close();
  await Promise.race([closed, sleep(CLOSING_MS_MAX)]);
}

const ACTIONS = {
  offer,
  answer({ sdp }) {
    peer.setRemoteDescription(sdp, "answer");
    say("answered");
  },
  send({ text }) {
    channel.sendMessage(text);
  },
  keyframe() {
    for (const { track, kind } of tracks) if (kind === "video") track.requestKeyframe();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.do === "close") break;
  try {
    await ACTIONS[command.do](command);
  } catch (error) {
    say("refused", { command: command.do, reason: error.message });
  }
}
if (peer !== undefined) await close();
cleanup();
process.exit();
