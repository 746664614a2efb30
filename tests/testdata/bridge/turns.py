"""Takes turns, works in each of them, and says which there were and how late the latest was.

turns.py NAME FPS WORK_MS
"""

import json
import sys
import time

import pinhole_bridge

bridge = pinhole_bridge.connect(sys.argv[1], timeout=20)
fps, work = float(sys.argv[2]), float(sys.argv[3]) / 1000
begun = time.monotonic()
numbers, late = [], 0.0
for number in bridge.turns(fps):
    late = max(late, time.monotonic() - begun - number / fps)
    numbers.append(number)
    time.sleep(work)
    if len(numbers) == 30:
        bridge.close()
print(json.dumps({"numbers": numbers, "late": late}), flush=True)
