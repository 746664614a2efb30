"""Calls `audio` or `frame` with what the expressions of its arguments make, and says what came of each.

arguments.py NAME audio|frame EXPRESSION...

An expression is a tuple of the arguments after the session, of which a dict at the end has those with names. It sees
numpy, array, Tensor, Photo, picture and samples.
"""

import array
import json
import sys

import numpy
import pinhole_bridge


class Tensor:
    """What a tensor of PyTorch looks like from the outside."""

    def __init__(self, values, device="cpu", readable=True):
        self.values, self.device, self.readable = values, device, readable
        self.shape, self.dtype = values.shape, "torch.%s" % values.dtype

    def detach(self):
        return self

    def numpy(self):
        if self.device != "cpu":
            raise TypeError("can't convert %s device type tensor to numpy" % self.device)
        if not self.readable:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values

    def __array__(self, *_, **__):
        return self.numpy()


class Photo:
    """What an image of Pillow looks like from the outside."""

    def __init__(self, pixels, mode="RGB"):
        self.pixels, self.mode = pixels, mode
        self.size = (pixels.shape[1], pixels.shape[0])

    def tobytes(self):
        return self.pixels.tobytes()


bridge = pinhole_bridge.connect(sys.argv[1], timeout=20)
while not bridge.sessions:
    bridge.poll(0.1)
session = bridge.sessions[0]
call = getattr(bridge, sys.argv[2])
picture = (numpy.arange(32 * 64 * 3) * 7 % 256).astype("u1").reshape(32, 64, 3)
samples = numpy.arange(-160, 160, dtype="<i2")
for expression in sys.argv[3:]:
    # As a program would be, that has no other names than these.
    arguments = eval(expression)
    try:
        named = arguments[-1] if isinstance(arguments[-1], dict) else {}
        outcome = {"returned": call(session, *arguments[: -1 if named else None], **named)}
    except Exception as error:
        outcome = {"raised": type(error).__name__, "words": str(error)}
    print(json.dumps(dict(outcome, of=expression)), flush=True)
print(json.dumps({"done": True}), flush=True)
bridge.run()
