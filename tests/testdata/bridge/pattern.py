"""Shows pictures whose bytes are all the picture's number, modulo 256, as fast as told.

pattern.py NAME FPS        0: as fast as it goes
"""

import sys
import time

import pinhole_bridge

bridge = pinhole_bridge.connect(sys.argv[1], timeout=20)
fps = float(sys.argv[2])
begun = time.monotonic()
shown = 0
while True:
    bridge.poll()
    for session in bridge.sessions:
        bridge.frame(session, bytes([shown % 256]) * (session.width * session.height * 3))
    shown += 1
    if fps > 0:
        time.sleep(max(0, begun + shown / fps - time.monotonic()))
    else:
        time.sleep(0.0005)
