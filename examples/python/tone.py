import numpy
import pinhole_bridge

SIDE, FPS, RATE = 512, 25, 16000

bridge = pinhole_bridge.connect("avatar")     # waits for the server
bridge.on_open = lambda session: print(session.id, session.width, session.height, session.fps, session.params)
bridge.on_close = lambda session: print(session.id, "has no viewers any more")
bridge.on_message = lambda session, data: bridge.send_message(session, b"I heard " + data)

picture = numpy.full((SIDE, SIDE, 3), (0, 90, 60), dtype=numpy.uint8)     # blue, green and red of each pixel
written = 0                                                     # samples so far
for number in bridge.turns(FPS):                                # callbacks run in here
    picture[:, :, 0] = number % 256
    due = (number + 1) * RATE // FPS                            # 640 samples more for each 1/25 s that went by
    pcm = 3000 * numpy.sin(2 * numpy.pi * 440 / RATE * numpy.arange(written, due))
    written = due
    for session in bridge.sessions:
        bridge.frame(session, picture)
        bridge.audio(session, pcm.astype(numpy.int16), rate=RATE)
