"""Shows pictures whose bytes are all the picture's number, modulo 256, as fast as told.

pattern.py NAME FPS [FOLDER]        0: as fast as it goes

A session whose params have a "scale" gets pictures of so many times its width and height.
"""

import sys
import time

import pinhole_bridge

bridge = pinhole_bridge.connect(sys.argv[1], timeout=20, folder=(sys.argv[3:] or ["/dev/shm"])[0])
fps = float(sys.argv[2])
begun = time.monotonic()
shown = 0
while True:
    bridge.poll()
    for session in bridge.sessions:
        scale = session.params.get("scale", 1)
        width, height = session.width * scale, session.height * scale
        bridge.frame(session, bytes([shown % 256]) * (width * height * 3), width=width, height=height)
    shown += 1
    if fps > 0:
        time.sleep(max(0, begun + shown / fps - time.monotonic()))
    else:
        time.sleep(0.0005)
