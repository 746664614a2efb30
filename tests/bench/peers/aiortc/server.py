"""A server by aiortc beside ours: `server.py WAY`, with what aiortc's own tools offer.

plain    as it comes: each viewer has its own encoder, of moving pictures of 1280x720, 30 a second
tuned    the same on uvloop, with H.264 of 2.5 Mbit/s from the first picture on
encoded  on uvloop, one stream of encoded pictures, 2.5 Mbit/s, for all viewers
packet   sends 20,000 packets by pylibsrtp and a socket, and says what one took

All but the last answer offers at http://127.0.0.1:PORT/whep/any, once they have said {"listening": "127.0.0.1:PORT"}.
"""

import asyncio
import fractions
import json
import os
import socket
import sys
import time

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.codecs import h264
from aiortc.contrib.media import MediaRelay
from aiortc.rtcrtpsender import RTCRtpSender
from pylibsrtp import Policy, Session

WIDTH, HEIGHT, FPS = 1280, 720, 30
BITRATE = 2_500_000
CLOCK_RATE = 90_000


def say(**fields):
    print(json.dumps(fields), flush=True)


def draw(count=8):
    """Stripes that move, as yuv420p."""
    frames = []
    line = bytes((x * x // 64 + 5 * x) % 220 + 16 for x in range(2 * WIDTH))
    for number in range(count):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        starts = [(3 * row + 16 * number) % WIDTH for row in range(HEIGHT)]
        frame.planes[0].update(b"".join(line[at : at + WIDTH] for at in starts))
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        frames.append(frame)
    return frames


class DrawnTrack(VideoStreamTrack):
    """Pictures for one viewer; VideoStreamTrack sets their pace."""

    frames = []

    def __init__(self):
        super().__init__()
        self.number = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = self.frames[self.number % len(self.frames)]
        self.number += 1
        frame.pts, frame.time_base = pts, time_base
        return frame


class EncodedTrack(MediaStreamTrack):
    """Access units of one length at an even pace; what they show is of no interest."""

    kind = "video"

    def __init__(self):
        super().__init__()
        self.data = b"\x00\x00\x00\x01\x41\x9a" + bytes(64 + at * 37 % 128 for at in range(BITRATE // 8 // FPS - 6))
        self.started = time.monotonic()
        self.number = 0

    async def recv(self):
        self.number += 1
        await asyncio.sleep(self.started + self.number / FPS - time.monotonic())
        packet = av.Packet(self.data)
        packet.pts, packet.time_base = self.number * CLOCK_RATE // FPS, fractions.Fraction(1, CLOCK_RATE)
        return packet


class Server:
    def __init__(self, open_track, prefers_h264):
        self.open_track = open_track
        self.prefers_h264 = prefers_h264
        self.peers = set()

    async def answer(self, sdp):
        # Without a STUN server, which it would ask and wait for.
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.add(peer)

        @peer.on("connectionstatechange")
        async def on_state():
            if peer.connectionState in ("closed", "failed"):
                self.peers.discard(peer)
                await peer.close()

        peer.addTrack(self.open_track())
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        if self.prefers_h264:
            codecs = RTCRtpSender.getCapabilities("video").codecs
            for transceiver in peer.getTransceivers():
                transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "video/H264"])
        await peer.setLocalDescription(await peer.createAnswer())
        return peer.localDescription.sdp

    async def serve(self, reader, writer):
        """As much HTTP as an offer needs."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
                offer = await reader.readexactly(int(fields.get("content-length", "0")))
                body = (await self.answer(offer.decode())).encode()
                lines = ["HTTP/1.1 201 Created", "Content-Type: application/sdp", f"Content-Length: {len(body)}"]
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()


async def serve(way):
    if way == "encoded":
        source, relay = EncodedTrack(), MediaRelay()
        server = Server(lambda: relay.subscribe(source), prefers_h264=True)
    else:
        DrawnTrack.frames = draw()
        server = Server(DrawnTrack, prefers_h264=way == "tuned")
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    say(listening=f"{host}:{port}")
    await listener.serve_forever()


def send_alone(count=20_000, payload_bytes=1172):
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    to = sink.getsockname()
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    profile = Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    policy = Policy(key=os.urandom(28), ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile)
    session = Session(policy=policy)
    payload = os.urandom(payload_bytes)
    started = time.monotonic()
    for number in range(count):
        header = b"\x80\x60" + (number & 0xFFFF).to_bytes(2, "big") + bytes(7) + b"\x01"
        sender.sendto(session.protect(header + payload), to)
    say(packet_us=1e6 * (time.monotonic() - started) / count)


def main(way):
    if way == "packet":
        send_alone()
    elif way == "plain":
        asyncio.run(serve(way))
    else:
        import uvloop

        h264.DEFAULT_BITRATE = h264.MAX_BITRATE = BITRATE
        uvloop.run(serve(way))


main(sys.argv[1])
