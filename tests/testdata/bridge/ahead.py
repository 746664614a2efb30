"""Writes an answer of sound at once, and says how much of it the bridge took.

ahead.py NAME SECONDS PIECE_SECONDS [timed]
"""

import array
import json
import sys
import time

import pinhole_bridge

RATE = 16000

bridge = pinhole_bridge.connect(sys.argv[1], timeout=20)
while not bridge.sessions:
    bridge.poll(0.1)
session = bridge.sessions[0]
piece = round(float(sys.argv[3]) * RATE)
count = round(float(sys.argv[2]) * RATE / piece)
begun = time.monotonic()
taken = 0
for index in range(count):
    sound = array.array("h", [index % 30000] * piece)
    timestamp = begun + index * piece / RATE if "timed" in sys.argv else None
    if bridge.audio(session, sound, rate=RATE, timestamp=timestamp):
        taken += piece
print(json.dumps({"taken": taken, "ahead": session.sound_ahead}), flush=True)
bridge.run()
