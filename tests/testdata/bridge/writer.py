"""Does what viewers tell it to by messages of JSON, and says what happens as lines of JSON.

writer.py NAME
"""

import json
import sys

import pinhole_bridge


def say(**fields):
    print(json.dumps(fields), flush=True)


def picture(size):
    """Bytes that are all known: byte n is 7 n + 3."""
    return bytes((7 * n + 3) % 256 for n in range(size))


def array(shape, how):
    import numpy

    size = int(numpy.prod(shape))
    tight = numpy.frombuffer(picture(size), numpy.uint8).reshape(shape)
    if how == "strided":
        wider = numpy.zeros((shape[0], shape[1] + 10) + tuple(shape[2:]), numpy.uint8)
        wider[:, 5:-5] = tight
        return wider[:, 5:-5]
    return tight


def on_message(session, data):
    command = json.loads(data)
    do = command.pop("do")
    try:
        if do == "frame":
            shown = picture(command["bytes"])
            say(sent=bridge.frame(session, shown, command["format"], **command.get("size", {})))
        elif do == "array":
            say(sent=bridge.frame(session, array(command["shape"], command["how"]), command["format"]))
        elif do == "audio":
            pcm = bytes(n % 256 for n in range(command["bytes"]))
            say(sent=bridge.audio(session, pcm, command["rate"], command["channels"]))
        elif do == "idle":
            say(sent=bridge.idle(session))
        elif do == "end":
            say(sent=bridge.end(session))
        elif do == "error":
            say(sent=bridge.error(session, command["text"]))
        elif do == "reply":
            say(sent=bridge.send_message(session, command["text"]))
        elif do == "flood":
            for _ in range(command["count"]):
                bridge.send_message(session, "x")
        elif do == "leave":
            bridge.close()
    except (TypeError, ValueError) as error:
        say(error=str(error))


try:
    bridge = pinhole_bridge.connect(sys.argv[1], timeout=20)
except pinhole_bridge.BridgeRefused as error:
    say(refused=error.code, text=str(error))
    sys.exit(3)
except pinhole_bridge.BridgeUnavailable as error:
    say(unavailable=str(error))
    sys.exit(4)

bridge.on_open = lambda session: say(
    opened=session.id,
    width=session.width,
    height=session.height,
    fps=session.fps,
    params=session.params,
    number=session.number,
)
bridge.on_close = lambda session: say(closed=session.id)
bridge.on_message = on_message
bridge.on_dropped = lambda session, count: say(dropped=count, of=session.id)
say(connected=True)
bridge.run()
