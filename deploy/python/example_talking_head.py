#!/usr/bin/env python3
"""A talking head for Pinhole: 512x512 BGR pictures at 25 a second, and 16 kHz speech in chunks of 20 ms.

Configure the server in its config.toml:

    [renderer]
    bridge = "avatar"

    [video]
    width = 512
    height = 512
    fps = 25

and start the head:

    python3 example_talking_head.py avatar

Pictures and voice are synthesized with Python's standard library: the voice has no words, and the mouth follows its
loudness. After each phrase the head is idle for two seconds, so that viewers see the server's idle picture. It answers
messages of viewers.

A real program makes its pictures and sound with a model; the use of the bridge stays the same.
"""

import array
import math
import sys
import time
from typing import List

import pinhole_bridge

SIDE = 512
RATE = 16000
PIECE = RATE // 50  # 20 ms
PIECES_PER_PICTURE = 2
PHRASE_SECONDS = 6
IDLE_SECONDS = 2
MOUTHS = 10

# Blue, green, red.
WALL, HAIR, SKIN, SHIRT = b"\x6b\x5a\x46", b"\x24\x2f\x3f", b"\x9c\xb8\xe6", b"\x8a\x62\x34"
EYE, PUPIL, LIPS, MOUTH = b"\xf5\xf5\xf5", b"\x30\x28\x20", b"\x60\x60\xc0", b"\x20\x18\x40"


def loudness(seconds: float) -> float:
    """Loudness from 0 to 1: four syllables a second, in words with short pauses between them."""
    word = max(0.0, math.sin(math.pi * (seconds * 0.9 % 1) * 1.25))
    syllable = 0.5 - 0.5 * math.cos(2 * math.pi * 4 * seconds)
    return word * syllable


def speak(seconds: float) -> float:
    """A sample, from -1 to 1, of a voice of about 120 Hz whose vowel changes with each syllable."""
    pitch = 120 + 15 * math.sin(2 * math.pi * 0.4 * seconds)
    phase = 2 * math.pi * 120 * seconds - 15 / 0.4 * math.cos(2 * math.pi * 0.4 * seconds)
    formant = (450, 700, 350, 900)[int(seconds * 4) % 4]
    wave = 0.0
    for harmonic in range(1, 11):
        near = math.exp(-(((harmonic * pitch - formant) / 250) ** 2))
        wave += (near + 0.3 / harmonic) * math.sin(harmonic * phase)
    return max(-1.0, min(1.0, wave * loudness(seconds) * 0.2))


def make_speech() -> List[bytes]:
    """The phrase in chunks of 20 ms: 16-bit little-endian samples."""
    samples = array.array("h", (int(32767 * speak(at / RATE)) for at in range(PHRASE_SECONDS * RATE)))
    if sys.byteorder == "big":
        samples.byteswap()
    data = samples.tobytes()
    return [data[at : at + 2 * PIECE] for at in range(0, len(data), 2 * PIECE)]


def fill_ellipse(picture: bytearray, x: int, y: int, width: int, height: int, color: bytes) -> None:
    """Fills an ellipse with its centre at (x, y)."""
    for row in range(max(0, y - height // 2), min(SIDE, y + height // 2)):
        reach = 1 - ((row + 0.5 - y) / (height / 2)) ** 2
        half = int(width / 2 * math.sqrt(max(0.0, reach)))
        left, right = max(0, x - half), min(SIDE, x + half)
        picture[(row * SIDE + left) * 3 : (row * SIDE + right) * 3] = color * (right - left)


def draw_head(opening: float, *, eyes_open: bool) -> bytes:
    """A picture of the head with its mouth open from 0 to 1: SIDE rows of SIDE pixels of blue, green and red."""
    picture = bytearray(WALL * (SIDE * SIDE))
    fill_ellipse(picture, 256, 560, 460, 360, SHIRT)
    fill_ellipse(picture, 256, 400, 110, 160, SKIN)
    fill_ellipse(picture, 256, 215, 290, 330, HAIR)
    fill_ellipse(picture, 256, 250, 240, 310, SKIN)
    for x in (205, 307):
        fill_ellipse(picture, x, 225, 46, 28 if eyes_open else 4, EYE if eyes_open else HAIR)
        if eyes_open:
            fill_ellipse(picture, x, 225, 20, 22, PUPIL)
    gap = int(56 * opening)
    fill_ellipse(picture, 256, 335, 96 - gap // 4, 18 + gap, LIPS)
    if gap > 4:
        fill_ellipse(picture, 256, 335, 76 - gap // 4, gap, MOUTH)
    return bytes(picture)


def main(name: str) -> None:
    speech = make_speech()
    heads = {
        (mouth, eyes_open): draw_head(mouth / (MOUTHS - 1), eyes_open=eyes_open)
        for mouth in range(MOUTHS)
        for eyes_open in (False, True)
    }
    bridge = pinhole_bridge.connect(name)
    bridge.on_open = lambda session: print("opened", session, flush=True)
    bridge.on_close = lambda session: print("closed", session, flush=True)
    bridge.on_message = lambda session, data: bridge.send_message(session, b"You said: " + data[:1000])

    begun = time.monotonic()
    tick = 0
    while True:
        # Sound and picture of one moment have the same timestamp, so that they stay in sync.
        moment = begun + tick * PIECE / RATE
        while time.monotonic() < moment:
            bridge.poll(moment - time.monotonic())
        at = tick % (len(speech) + IDLE_SECONDS * RATE // PIECE)
        seconds = at * PIECE / RATE
        for session in bridge.sessions:
            if at == len(speech):
                bridge.idle(session)
            elif at < len(speech):
                bridge.audio(session, speech[at], rate=RATE, timestamp=moment)
                if at % PIECES_PER_PICTURE == 0:
                    head = heads[round(loudness(seconds) * (MOUTHS - 1)), seconds % 3 > 0.15]
                    bridge.frame(session, head, width=SIDE, height=SIDE, timestamp=moment)
        tick += 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: example_talking_head.py NAME")
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        pass
    except pinhole_bridge.BridgeError as error:
        sys.exit(str(error))
