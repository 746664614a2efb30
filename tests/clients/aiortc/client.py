"""aiortc behind standard input and output: one JSON command a line in, one JSON event a line out.

tests/support/clients/client_program.ts has the commands and the events.
"""

import asyncio
import json
import sys

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

REPORT_INTERVAL_S = 0.05


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Client:
    def __init__(self):
        self.peer = None
        self.channel = None
        self.counts = {}
        self.told = None
        self.tasks = set()

    def open(self, bundle):
        policy = RTCBundlePolicy(bundle or "balanced")
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=policy))
        peer = self.peer

        @peer.on("connectionstatechange")
        def on_state():
            say("state", state=peer.connectionState)

        @peer.on("track")
        def on_track(track):
            self.start(self.consume(track))

        self.start(self.report())

    def start(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def consume(self, track):
        """Takes decoded pictures and sound until the track ends."""
        counts = self.counts.setdefault(track.kind, {"packets": 0, "decoded": 0})
        try:
            while True:
                frame = await track.recv()
                counts["decoded"] += 1
                if track.kind == "video":
                    # Its decoder of VP8 marks none.
                    if frame.key_frame:
                        counts["keyframes"] = counts.get("keyframes", 0) + 1
                    counts["width"], counts["height"] = frame.width, frame.height
        except MediaStreamError:
            say("ended", kind=track.kind)

    async def report(self):
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            for stats in (await self.peer.getStats()).values():
                if stats.type == "inbound-rtp" and stats.kind in self.counts:
                    self.counts[stats.kind]["packets"] = stats.packetsReceived
            text = json.dumps(self.counts)
            if text != self.told:
                self.told = text
                say("media", **json.loads(text))

    async def offer(self, video=0, audio=0, channel=False, codec=None, bundle=None, restart=False, network="udp"):
        if restart:
            raise NotImplementedError("aiortc restarts no ICE")
        if self.peer is None:
            self.open(bundle)
        for _ in range(video):
            transceiver = self.peer.addTransceiver("video", direction="recvonly")
            if codec:
                codecs = RTCRtpReceiver.getCapabilities("video").codecs
                name = f"video/{codec}".lower()
                transceiver.setCodecPreferences([c for c in codecs if c.mimeType.lower() == name])
        for _ in range(audio):
            self.peer.addTransceiver("audio", direction="recvonly")
        if channel:
            self.open_channel()
        await self.peer.setLocalDescription(await self.peer.createOffer())
        say("offer", sdp=self.peer.localDescription.sdp)

    def open_channel(self):
        self.channel = self.peer.createDataChannel("pinhole")
        self.channel.on("open", lambda: say("channel", state="open"))
        self.channel.on("close", lambda: say("channel", state="closed"))
        self.channel.on("message", lambda text: say("message", text=text))

    async def answer(self, sdp):
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        say("answered")

    async def candidate(self, candidate, sdpMid, sdpMLineIndex):
        remote = candidate_from_sdp(candidate.removeprefix("candidate:"))
        remote.sdpMid, remote.sdpMLineIndex = sdpMid, sdpMLineIndex
        await self.peer.addIceCandidate(remote)

    async def send(self, text):
        self.channel.send(text)

    async def keyframe(self):
        for transceiver in self.peer.getTransceivers():
            if transceiver.kind == "video":
                receiver = transceiver.receiver
                for source in receiver.getSynchronizationSources():
                    await receiver._send_rtcp_pli(source.source)

    async def run(self):
        loop = asyncio.get_running_loop()
        lines = asyncio.StreamReader(limit=1 << 20)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            command = json.loads(line)
            action = command.pop("do")
            if action == "close":
                break
            try:
                await getattr(self, action)(**command)
            except Exception as error:
                say("refused", command=action, reason=f"{type(error).__name__}: {error}")
        if self.peer is not None:
            await self.peer.close()


asyncio.run(Client().run())
