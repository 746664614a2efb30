"""Sends pictures, sound and messages from a Python program to the viewers of a Pinhole server.

Set ``renderer.bridge = "avatar"`` in the server's configuration, and run the program on the same host as the same user:

    import pinhole_bridge

    bridge = pinhole_bridge.connect("avatar")
    bridge.on_message = lambda session, data: print(session.id, data)
    for number in bridge.turns(25):                       # at most 25 pictures a second
        for session in bridge.sessions:
            bridge.frame(session, picture)                # a uint8 array, height x width x 3, BGR as in OpenCV
            bridge.audio(session, pcm, rate=16000)        # the duration of one picture: 640 samples of 16 bits

A session opens with its first viewer and closes when the last one leaves. The program sets the frame rate; viewers see
each picture at once, and the server's idle picture after ``idle`` or half a second without a picture. Pictures go
through shared memory and are not queued: if the server cannot keep up, they are dropped.

It needs only Python 3.8 or later on Linux. NumPy is optional; its arrays are accepted wherever bytes are.
Pinhole's docs/bridge_wire.md describes the socket protocol and the memory layout (version 1).

All functions are thread-safe. Callbacks run only in ``poll``, ``run`` and ``turns``, on the calling thread.
"""

import collections
import json
import logging
import mmap
import operator
import os
import pwd
import select
import socket
import struct
import sys
import threading
import time
from typing import Any, Callable, Deque, Dict, Iterator, List, Optional, Tuple

__all__ = ["Bridge", "BridgeClosed", "BridgeError", "BridgeRefused", "BridgeUnavailable", "Session", "connect"]

VERSION = 1

_log = logging.getLogger("pinhole_bridge")

# Messages of the writer and of the server, by type.
_HELLO, _RING, _FRAME, _AUDIO, _IDLE, _END, _ERROR, _MESSAGE = range(1, 9)
_KEPT_BACK = 12
_WELCOME, _BYE, _RING_MADE, _RELEASE, _OPEN, _CLOSE, _VIEWER_MESSAGE = range(1, 8)
_DROPPED = 12

_HEADER = struct.Struct("<IHH")  # bytes that follow, type, 0
_RING_FIELDS = struct.Struct("<4I")  # generation, bytes of a slot, slots, offset of the first slot
_FRAME_FIELDS = struct.Struct("<6Iq2I6I")
_AUDIO_FIELDS = struct.Struct("<4Iq")
_MAGIC = b"PINHOLE\0"

# By name: number, bytes per pixel of the first plane, and divisors of width and height for each other plane.
_FORMATS: Dict[str, Tuple[int, int, Tuple[Tuple[int, int], ...]]] = {
    "i420": (1, 1, ((2, 2), (2, 2))),
    "nv12": (2, 1, ((1, 2),)),
    "rgba": (3, 4, ()),
    "bgra": (4, 4, ()),
    "rgb24": (5, 3, ()),
    "bgr24": (6, 3, ()),
}

_SIDE_MAX = 16384
_SLOT_BYTES_MAX = 128 << 20
_RING_BYTES_MAX = 1 << 30
_SLOTS_MAX = 1024
_SLOTS_PER_SESSION = 3  # one shown, one queued, one being written
_MESSAGE_BYTES_MAX = 65536
_AUDIO_SECONDS_MAX = 0.5
# Limit of queued sound of servers that do not send theirs.
_SOUND_SECONDS = 9.9
_SOUND_JITTER_SECONDS = 0.1
_SOUND_TOLD_SECONDS = 1.0
# Times outside these limits are from another clock; the server uses the present instead.
_PAST_SECONDS_MAX = 10.0
_AHEAD_SECONDS_MAX = 600.0
_MICROSECONDS_MAX = 1 << 53
_EVENTS_MAX = 1024
_ANSWER_SECONDS = 5.0
_RETRY_SECONDS = (0.25, 4.0)
_SILENT_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 10.0


class BridgeError(Exception):
    """Base class of the errors of a bridge."""


class BridgeUnavailable(BridgeError):
    """No server has a bridge with that name, or this user may not use it."""


class BridgeRefused(BridgeError):
    """The server refused the connection. ``code`` is "taken", "version", "not_expected" or "closing"."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class BridgeClosed(BridgeError):
    """The bridge was closed, or the connection is lost and the bridge does not reconnect."""


class Session:
    """One stream, with any number of viewers."""

    __slots__ = ("id", "width", "height", "fps", "params", "number", "_sound_end", "_kept_back", "_told_at")

    def __init__(
        self, *, id: str, width: int, height: int, fps: float, params: Dict[str, Any], number: int
    ) -> None:
        #: The session id in the viewers' URL, ``/ws/<id>``.
        self.id = id
        #: Size of the video in pixels; other pictures are scaled to fit, with bars if the aspect ratio differs.
        self.width, self.height = width, height
        #: Highest frame rate that the server sends.
        self.fps = fps
        #: ``params`` of the first viewer's offer. They come from a browser: do not trust them.
        self.params = params
        #: Distinguishes successive sessions with the same id.
        self.number = number
        self._sound_end = float("-inf")
        self._kept_back = 0.0
        self._told_at = float("-inf")

    @property
    def sound_ahead(self) -> float:
        """Seconds of sound that were sent but not played yet."""
        return max(0.0, self._sound_end - time.monotonic())

    def _end_of_sound(self, seconds: float, now: float, moment: float) -> float:
        """End time of the next sound, computed like the server does. ``moment`` is its timestamp, or 0."""
        if moment == 0:
            follows = self._sound_end >= now - _SOUND_JITTER_SECONDS
            return (self._sound_end if follows else now) + seconds
        is_near = -_PAST_SECONDS_MAX <= moment - now <= _AHEAD_SECONDS_MAX
        return (moment if is_near else now) + seconds

    def __repr__(self) -> str:
        return "Session(%r, %dx%d, %g fps)" % (self.id, self.width, self.height, self.fps)


def connect(
    name: str,
    *,
    reconnect: bool = True,
    timeout: Optional[float] = None,
    folder: str = "/dev/shm",
    program: Optional[str] = None
) -> "Bridge":
    """Connects to the bridge with that name.

    reconnect: reconnect automatically when the server restarts. Until then pictures are dropped; sessions are closed,
        and open again afterwards. If False, every call raises BridgeClosed once the connection is lost.
    timeout: seconds to wait for a server; None waits without limit. After 2 s the logger "pinhole_bridge" writes a
        warning, to standard error unless the program has configured logging.
    folder: folder of the server's ring and socket.
    program: name in the server's log; by default that of the running script.

    Raises BridgeUnavailable if there is no server in time, or at once if this user may not use its socket, and
    BridgeRefused if the server refuses the connection.
    """
    bridge = Bridge(name, reconnect=reconnect, folder=folder, program=program)
    bridge._connect(timeout)
    return bridge


class Bridge:
    """A connection to a server; see ``connect``. Usable in a ``with`` statement."""

    def __init__(self, name: str, *, reconnect: bool, folder: str, program: Optional[str]) -> None:
        self.name = name
        #: Called with the Session when its first viewer joins.
        self.on_open: Optional[Callable[[Session], Any]] = None
        #: Called with the Session when its last viewer has left, or the connection is lost.
        self.on_close: Optional[Callable[[Session], Any]] = None
        #: Called with the Session and the bytes of a viewer's message.
        self.on_message: Optional[Callable[[Session, bytes], Any]] = None
        #: Called with the Session and the number of messages that were dropped because a viewer was too slow.
        self.on_dropped: Optional[Callable[[Session, int], Any]] = None
        self._path = os.path.join(folder, "pinhole-" + name)
        self._program = program or os.path.basename(sys.argv[0]) or "python"
        self._reconnect = reconnect
        self._lock = threading.RLock()
        self._socket: Optional[socket.socket] = None
        self._welcomed = False
        self._received = bytearray()
        self._sessions: Dict[int, Session] = {}
        self._events: Deque[Tuple[str, Session, Any]] = collections.deque(maxlen=_EVENTS_MAX)
        self._ring: Optional[_Ring] = None
        self._closed = False
        self._goodbye: Optional[BridgeRefused] = None
        self._retry_at = 0.0
        self._retry_seconds = _RETRY_SECONDS[0]
        self._sound_seconds = _SOUND_SECONDS
        self._counts_sound = False
        self._asked = (0, 0, 0)
        self._ask_again_at = 0.0
        self._answered = False

    # ---- Public methods --------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the bridge is connected to a server."""
        return self._welcomed

    @property
    def sessions(self) -> List[Session]:
        """The open sessions."""
        with self._lock:
            self._receive()
            return list(self._sessions.values())

    def frame(
        self,
        session: Session,
        picture: Any,
        format: str = "bgr24",
        *,
        width: Optional[int] = None,
        height: Optional[int] = None,
        timestamp: Optional[float] = None
    ) -> bool:
        """Shows a picture to the viewers of a session.

        picture: a uint8 array of height x width x 3 (bgr24, rgb24) or 4 (bgra, rgba), or of height * 3 / 2 x width
            (i420, nv12); or the same as bytes, row by row without padding. It is copied. Tensors in host memory are
            accepted like arrays, and Pillow images if their mode matches ``format`` ("rgb24", "rgba").
        width, height: pixels, both even. Needed for bytes whose size differs from the session's; ignored for arrays.
        timestamp: presentation time, in seconds of time.monotonic(); by default now. Pictures and sound with the same
            timestamp are presented together.

        Returns whether the picture was sent. It is not sent if the session is closed, if there is no connection, or if
        the server cannot keep up.

        Raises TypeError or ValueError for a wrong type or shape; the message names the conversion.
        """
        if format not in _FORMATS:
            raise ValueError("Unknown format %r: use one of %s" % (format, ", ".join(_FORMATS)))
        moment = _microseconds(timestamp)
        unsized = width is None or height is None
        width = session.width if width is None else _whole(width, "width")
        height = session.height if height is None else _whole(height, "height")
        if _is_pillow(picture):
            width, height = picture.size
            picture = _bytes_of_pillow(picture, format)
        view, picture, x = _view_of(picture, "picture")
        unsized = unsized and view.ndim == 1
        _check_pixels(view, picture, x)
        width, height = _size_of(view, format, width, height)
        planes, size = _layout(format, width, height)
        if view.nbytes != size:
            words = "A %s picture of %dx%d has %d bytes, not %d" % (format, width, height, size, view.nbytes)
            fix = ": pass width= and height= with bytes of another size than the session's" if unsized else ""
            raise ValueError(words + fix)
        with self._lock:
            if not self._is_open(session):
                return False
            ring = self._ring_for(size)
            if ring is None or not ring.free:
                return False
            slot = ring.free.pop()
            ring.write(slot, view, picture)
            code = _FORMATS[format][0]
            return self._send(
                _FRAME,
                _FRAME_FIELDS.pack(
                    session.number, ring.generation, slot, code, width, height, moment, 0, 0, *planes
                ),
            )

    def audio(
        self,
        session: Session,
        pcm: Any,
        rate: int,
        channels: Optional[int] = None,
        *,
        timestamp: Optional[float] = None
    ) -> bool:
        """Plays sound to the viewers of a session.

        pcm: 16-bit little-endian samples, with two channels interleaved: bytes, or an int16 array of N samples or of
            N x channels. Chunks of 20 ms keep the delay low; up to 60 s may be written ahead.
        rate: samples per second and channel, 8000 to 48000.
        channels: 1 or 2; by default 2 for an array of N x 2, otherwise 1.
        timestamp: presentation time of the first sample, in seconds of time.monotonic(); by default directly after the
            previous sound, or now after a pause.

        Returns whether all of it was sent. Nothing is sent if the session is closed, if there is no connection, or if
        the sound would end more than 60 s ahead.

        Raises TypeError or ValueError for a wrong type or shape; the message names the conversion.
        """
        rate = _whole(rate, "rate")
        if not 8000 <= rate <= 48000:
            raise ValueError("Sound cannot have %d samples a second: rate= must be 8000 to 48000" % rate)
        data, channels = _sound_of(pcm, channels)
        moment = 0 if timestamp is None else _microseconds(timestamp)
        step = int(rate * _AUDIO_SECONDS_MAX) * 2 * channels
        with self._lock:
            if not self._is_open(session):
                return False
            seconds = len(data) / (2 * channels * rate)
            now = time.monotonic()
            end = session._end_of_sound(seconds, now, moment / 1e6)
            if end > now + self._sound_seconds:
                self._keep_back(session, seconds)
                return False
            sent = True
            for start in range(0, len(data), step):
                fields = _AUDIO_FIELDS.pack(session.number, rate, channels, 0, moment)
                sent = self._send(_AUDIO, fields, data[start : start + step])
                moment = 0
            if sent and seconds > 0:
                session._sound_end = end
            return sent

    def idle(self, session: Session) -> bool:
        """Shows the server's idle picture until the next ``frame``."""
        return self._tell(_IDLE, session)

    def end(self, session: Session) -> bool:
        """Ends a session and disconnects its viewers."""
        return self._tell(_END, session)

    def error(self, session: Session, text: str) -> bool:
        """Reports in the server's log that a picture failed; viewers see the idle picture for a moment."""
        return self._tell(_ERROR, session, struct.pack("<I", 0) + text.encode()[:1024])

    def send_message(self, session: Session, data: Any) -> bool:
        """Sends a message to the viewers of a session: text, or up to 64 KiB of bytes."""
        encoded = data.encode() if isinstance(data, str) else bytes(data)
        if len(encoded) > _MESSAGE_BYTES_MAX:
            raise ValueError("A message can have at most %d bytes, not %d" % (_MESSAGE_BYTES_MAX, len(encoded)))
        return self._tell(_MESSAGE, session, encoded)

    def poll(self, timeout: float = 0.0) -> int:
        """Waits up to ``timeout`` seconds for events, and calls their callbacks.

        Returns the number of events. Raises BridgeClosed, see ``connect``.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                self._receive()
                events = list(self._events)
                self._events.clear()
                waiting = [] if self._socket is None else [self._socket]
            left = deadline - time.monotonic()
            if events or left <= 0:
                break
            # Without a connection, wake up to reconnect.
            _select(waiting, [], left if waiting else min(left, _RETRY_SECONDS[0]))
        for kind, session, data in events:
            if kind == "message" and self.on_message is not None:
                self.on_message(session, data)
            elif kind == "dropped" and self.on_dropped is not None:
                self.on_dropped(session, data)
            elif kind == "open" and self.on_open is not None:
                self.on_open(session)
            elif kind == "close" and self.on_close is not None:
                self.on_close(session)
        return len(events)

    def turns(self, fps: float) -> Iterator[int]:
        """Yields the number of the next due picture, from 0, ``fps`` times a second; callbacks run in between.

        If the program is slower, numbers are skipped, so that it does not fall behind. Produce as much sound as the
        numbers advance. Ends when ``close`` is called; raises BridgeClosed, see ``connect``.
        """
        if not fps > 0:
            raise ValueError("fps= must be above 0, not %r" % (fps,))
        begun, number = time.monotonic(), 0
        while True:
            try:
                self.poll(0)
                while time.monotonic() < begun + number / fps:
                    self.poll(begun + number / fps - time.monotonic())
            except BridgeClosed:
                if self._closed:
                    return
                raise
            yield number
            number = max(number + 1, int((time.monotonic() - begun) * fps))

    def run(self) -> None:
        """Calls the callbacks until ``close`` is called, or the connection is lost and ``reconnect`` is False."""
        try:
            while not self._closed:
                self.poll(0.5)
        except BridgeClosed:
            pass

    def close(self) -> None:
        """Disconnects from the server. Viewers see the idle picture."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def __enter__(self) -> "Bridge":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # ---- Connection ------------------------------------------------------------------------------------------

    def _connect(self, timeout: Optional[float]) -> None:
        begun = time.monotonic()
        said = False
        while True:
            error = self._greet()
            if isinstance(error, PermissionError):
                self.close()
                why = str(error) if isinstance(error, _Foreign) else _not_permitted(self._path + ".sock")
                raise BridgeUnavailable(why)
            if error is None:
                self._wait(lambda: self._welcomed or self._socket is None, _ANSWER_SECONDS)
            if self._welcomed:
                return
            if self._goodbye is not None and self._goodbye.code != "closing":
                self.close()
                raise self._goodbye
            waited = time.monotonic() - begun
            why = self._goodbye or "it does not answer" if error is None else error.strerror or error
            words = 'No Pinhole server at %s.sock (%s): set `renderer.bridge = "%s"` in its config.toml'
            if timeout is not None and waited >= timeout:
                self.close()
                raise BridgeUnavailable(words % (self._path, why, self.name))
            if waited >= _SILENT_SECONDS and not said:
                said = True
                _log.warning(words + "; waiting for it", self._path, why, self.name)
            self._disconnect()
            time.sleep(0.1)

    def _greet(self) -> Optional[OSError]:
        """Connects and sends hello, without waiting for the answer. Returns the error, if any."""
        self._goodbye = None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(self._path + ".sock")
        except OSError as error:
            connection.close()
            return error
        error = _foreign(connection, self._path + ".sock")
        if error is not None:
            connection.close()
            return error
        connection.setblocking(False)
        self._socket = connection
        clock = time.monotonic_ns() // 1000
        hello = {"version": VERSION, "writer": self._program, "clock_us": clock, "pace": "writer"}
        self._send(_HELLO, json.dumps(hello).encode())
        return None

    def _disconnect(self) -> None:
        """Closes the connection and all sessions."""
        if self._socket is not None:
            self._socket.close()
        if self._ring is not None:
            self._ring.close()
        self._socket, self._ring, self._welcomed = None, None, False
        self._received.clear()
        for session in self._sessions.values():
            self._events.append(("close", session, b""))
        self._sessions.clear()

    def _lose(self, reason: str) -> None:
        """Handles a lost or refused connection."""
        if self._socket is None:
            return
        why = str(self._goodbye) if self._goodbye is not None else reason
        if self._welcomed:
            _log.warning("Lost the connection to the Pinhole server at %s: %s", self._path, why)
        else:
            _log.warning("The Pinhole server at %s refused the connection: %s", self._path, why)
        self._disconnect()
        self._retry_at = time.monotonic() + self._retry_seconds
        self._retry_seconds = min(self._retry_seconds * 2, _RETRY_SECONDS[1])

    def _come_back(self) -> None:
        """Reconnects once the retry time has come."""
        if self._socket is not None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + _RETRY_SECONDS[0]
        self._greet()

    def _wait(self, done: Callable[[], Any], seconds: float) -> bool:
        """Receives until ``done`` returns true. Returns whether it did in time."""
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            if self._socket is None or left <= 0:
                return False
            _select([self._socket], [], left)
            self._read()
        return True

    # ---- Sending ---------------------------------------------------------------------------------------------

    def _tell(self, kind: int, session: Session, data: bytes = b"") -> bool:
        with self._lock:
            return self._is_open(session) and self._send(kind, struct.pack("<I", session.number), data)

    def _keep_back(self, session: Session, seconds: float) -> None:
        """Reports, here and in the server's log, that sound too far ahead was not sent."""
        now = time.monotonic()
        if session._told_at < 0:
            _log.warning(
                "Sound of %.2f s for the session %r was not sent, because it would end more than %g s ahead:"
                " write sound as fast as it is played, or wait until `session.sound_ahead` is lower",
                *(seconds, session.id, self._sound_seconds)
            )
        session._kept_back += seconds
        if now - session._told_at >= _SOUND_TOLD_SECONDS:
            milliseconds = min(round(session._kept_back * 1000), 0xFFFFFFFF)
            session._kept_back, session._told_at = 0.0, now
            if self._counts_sound:
                self._send(_KEPT_BACK, struct.pack("<2I", session.number, milliseconds))

    def _is_open(self, session: Session) -> bool:
        self._receive()
        return self._sessions.get(session.number) is session

    def _send(self, kind: int, *parts: Any) -> bool:
        length = sum(len(part) for part in parts)
        rest = memoryview(b"".join((_HEADER.pack(length, kind, 0),) + parts))
        deadline = time.monotonic() + _ANSWER_SECONDS
        while self._socket is not None:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self._lose("it does not read")
                else:
                    # Read meanwhile, since the server may be blocked on its own writes.
                    _select([self._socket], [self._socket], 0.1)
                    self._read()
            except OSError as error:
                self._read()  # a message with the reason may have arrived
                self._lose(error.strerror or str(error))
            if not rest:
                return True
        return False

    def _ring_for(self, size: int) -> "Optional[_Ring]":
        """Returns a ring with slots of at least ``size`` bytes for every session; None if there is no memory."""
        if size > _SLOT_BYTES_MAX:
            raise ValueError("A picture can have at most %d bytes, not %d" % (_SLOT_BYTES_MAX, size))
        ring = self._ring
        slot_bytes = size if ring is None else max(size, ring.slot_bytes)
        sessions = len(self._sessions)
        slots = _slots_for(sessions, slot_bytes)
        if ring is not None:
            fits = ring.slot_bytes >= size
            if fits and ring.slots >= slots:
                return ring
            # A server without memory for more logs it, so the same request is not repeated all the time.
            enough = fits and ring.slots >= 2 * sessions and (slot_bytes, slots) == self._asked[:2]
            again = (slot_bytes, slots, sessions) != self._asked or time.monotonic() >= self._ask_again_at
            if enough or not again:
                return ring if fits else None
        # No picture may be in flight between the request and the answer; nothing else is sent here.
        self._asked = (slot_bytes, slots, sessions)
        self._ask_again_at = time.monotonic() + _ASK_AGAIN_SECONDS
        self._answered = False
        self._send(_RING, struct.pack("<2I", slot_bytes, slots))
        if not self._wait(lambda: self._answered, _ANSWER_SECONDS):
            self._lose("it did not make a ring in time")
            return None
        if self._ring is not None and self._ring.slot_bytes < size:
            words = "The server has no shared memory for pictures of %d bytes: frame() returns False. See its log"
            _log.warning(words, size)
            return None
        return self._ring

    # ---- Receiving -------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        """Receives messages, and reconnects if the connection is lost."""
        if self._socket is not None:
            self._read()
        if self._closed:
            raise BridgeClosed("The bridge %r is closed" % self.name)
        if self._socket is None:
            if not self._reconnect:
                raise BridgeClosed(str(self._goodbye or "Lost the connection to the Pinhole server at %s" % self._path))
            self._come_back()

    def _read(self) -> None:
        while self._socket is not None:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                return self._lose(error.strerror or str(error))
            if not data:
                return self._lose("it closed the connection")
            self._received += data
            self._take_messages()

    def _take_messages(self) -> None:
        while len(self._received) >= _HEADER.size:
            length, kind, _ = _HEADER.unpack_from(self._received)
            end = _HEADER.size + length
            if len(self._received) < end:
                return
            payload = bytes(self._received[_HEADER.size : end])
            del self._received[:end]
            self._take(kind, payload)

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == _WELCOME:
            self._welcomed = True
            kept = json.loads(payload).get("sound_ms")
            self._counts_sound = kept is not None
            self._sound_seconds = kept / 1000 if kept is not None else _SOUND_SECONDS
        elif kind == _BYE:
            words = json.loads(payload)
            self._goodbye = BridgeRefused(words["code"], words["text"])
        elif kind == _RING_MADE:
            fields = _RING_FIELDS.unpack(payload)
            self._answered = True
            # An unchanged ring keeps its pictures.
            if self._ring is None or self._ring.generation != fields[0]:
                if self._ring is not None:
                    self._ring.close()
                self._ring = _Ring(self._path, *fields)
            # The connection works now, so the next retry may be quick again.
            self._retry_seconds = _RETRY_SECONDS[0]
        elif kind == _RELEASE:
            generation, slot = struct.unpack("<2I", payload)
            if self._ring is not None and self._ring.generation == generation:
                self._ring.free.append(slot)
        elif kind == _OPEN:
            fields = json.loads(payload)
            number = fields["session"]
            known = {name: fields[name] for name in ("id", "width", "height", "fps", "params")}
            self._sessions[number] = Session(number=number, **known)
            self._events.append(("open", self._sessions[number], b""))
        elif kind == _CLOSE:
            session = self._sessions.pop(struct.unpack("<I", payload)[0], None)
            if session is not None:
                self._events.append(("close", session, b""))
        elif kind == _VIEWER_MESSAGE:
            session = self._sessions.get(struct.unpack_from("<I", payload)[0])
            if session is not None:
                self._events.append(("message", session, payload[4:]))
        elif kind == _DROPPED:
            number, count = struct.unpack("<2I", payload)
            session = self._sessions.get(number)
            if session is not None:
                self._events.append(("dropped", session, count))


class _Ring:
    """The shared memory that the server made for this program."""

    def __init__(self, path: str, generation: int, slot_bytes: int, slots: int, offset: int) -> None:
        self.generation = generation
        self.slot_bytes = slot_bytes
        self.slots = slots
        #: Slots that the server does not use.
        self.free = list(range(slots))
        self._offset = offset
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._memory = mmap.mmap(descriptor, offset + slots * slot_bytes)
        finally:
            os.close(descriptor)
        magic, version, _, found = struct.unpack_from("<8s3I", self._memory)
        if (magic, version, found) != (_MAGIC, VERSION, generation):
            raise BridgeError("%s is not the ring that the server made" % path)

    def write(self, slot: int, view: memoryview, picture: Any) -> None:
        start = self._offset + slot * self.slot_bytes
        numpy = sys.modules.get("numpy")
        if view.c_contiguous:
            self._memory[start : start + view.nbytes] = view.cast("B")
        elif numpy is not None and isinstance(picture, numpy.ndarray):
            target = numpy.frombuffer(self._memory, numpy.uint8, view.nbytes, start)
            target.reshape(picture.shape)[...] = picture
        else:
            self._memory[start : start + view.nbytes] = view.tobytes()

    def close(self) -> None:
        self._memory.close()


def _select(readers: List[socket.socket], writers: List[socket.socket], seconds: float) -> None:
    try:
        select.select(readers, writers, [], seconds)
    except (OSError, ValueError):
        pass  # closed by another thread, which the caller detects at once


def _slots_for(sessions: int, slot_bytes: int) -> int:
    """Number of slots, for up to twice as many sessions, so that not every new session needs a new ring."""
    doubled = 1 << max(0, sessions - 1).bit_length()
    return max(1, min(_SLOTS_PER_SESSION * doubled + 1, _SLOTS_MAX, _RING_BYTES_MAX // slot_bytes - 1))


class _Foreign(PermissionError):
    """A program of another user listens at the server's path."""


def _foreign(connection: socket.socket, path: str) -> Optional[_Foreign]:
    """Checks the user of the program at the other end, since any user can make files in /dev/shm."""
    size = struct.calcsize("3i")
    _, owner, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if os.geteuid() in (0, owner) or owner == 0:
        return None
    return _Foreign("The program at %s runs as the user %s, not as this user or root" % (path, _user_name(owner)))


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # for example a user of a container
        return "number %d" % number


def _not_permitted(path: str) -> str:
    try:
        number = os.stat(path).st_uid
    except OSError:
        return "Permission denied at %s: run this program as the server's user" % path
    return "Permission denied at %s: run this program as the server's user, %s" % (path, _user_name(number))


def _microseconds(timestamp: Optional[float]) -> int:
    if timestamp is None:
        return time.monotonic_ns() // 1000
    try:
        moment = round(float(timestamp) * 1e6)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("timestamp= must be in seconds of time.monotonic(), not %r" % (timestamp,)) from None
    if abs(moment) > _MICROSECONDS_MAX:
        raise ValueError("timestamp= must be in seconds of time.monotonic(), not %r" % (timestamp,))
    return moment


def _whole(value: Any, name: str) -> int:
    """Converts a whole number of any numeric type: 16000, 16000.0, numpy.int64(16000)."""
    if isinstance(value, bool) or not (hasattr(value, "__index__") or hasattr(value, "__float__")):
        raise TypeError("%s= must be a number, not %r" % (name, value))
    try:
        return operator.index(value)
    except TypeError:
        number = float(value)
    if not number % 1 == 0:
        raise ValueError("%s= must be a whole number, not %r" % (name, value))
    return int(number)


# ---- Samples and pixels --------------------------------------------------------------------------------------

# By format letter of the buffer protocol.
_ITEM_NAMES = {
    "?": "bool",
    "b": "int8",
    "B": "uint8",
    "c": "uint8",
    "h": "int16",
    "H": "uint16",
    "i": "int32",
    "I": "uint32",
    "l": "int64",
    "L": "uint64",
    "q": "int64",
    "Q": "uint64",
    "e": "float16",
    "f": "float32",
    "d": "float64",
    "g": "longdouble",
    "Z": "complex",
    "O": "object",
}

# Conversions of x to 16-bit samples.
_TO_SAMPLES = {
    "b": "({x}.astype('<i2') << 8)",
    "B": "(({x}.astype('<i2') - 128) << 8), or {x}.view('<i2') if these are the bytes of 16-bit samples",
    "H": "({x} ^ 0x8000).view('<i2')",
    "h": "{x}.astype('<i2')",
    "iIlLqQ": "({x} >> 16).astype('<i2') if the samples have 32 bits, {x}.astype('<i2') if they have 16",
    "efdg": "({x}.clip(-1, 1) * 32767).astype('<i2')",
    "Z": "({x}.real.clip(-1, 1) * 32767).astype('<i2')",
}

# Conversions of x to 8-bit pixels.
_TO_PIXELS = {
    "?": "{x}.astype('u1') * 255",
    "b": "{x}.view('u1')",
    "H": "({x} >> 8).astype('u1')",
    "hiIlLqQ": "{x}.clip(0, 255).astype('u1')",
    "efdg": "({x}.clip(0, 1) * 255).astype('u1') if its values are 0 to 1, {x}.clip(0, 255).astype('u1') if they are 0"
    " to 255",
}


def _letter(view: memoryview) -> str:
    return view.format.lstrip("@=<>!")[:1]


def _view_of(value: Any, noun: str) -> Tuple[memoryview, Any, str]:
    """Returns the memory of an array, tensor or bytes, the underlying array, and the expression for error messages."""
    if isinstance(value, (list, tuple, set, dict, str, int, float, complex)) or value is None:
        kind = "'u1'" if noun == "picture" else "'<i2'"
        words = "The %s must be an array or bytes, not %s: pass numpy.array(x, %s)"
        raise TypeError(words % (noun, type(value).__name__, kind))
    device = _device_of(value)
    if device is not None:
        words = "The %s is in memory of the device %s: pass x.cpu().numpy() (PyTorch), or x.get() (CuPy)"
        raise TypeError(words % (noun, device))
    try:
        return memoryview(value), value, "x" if hasattr(value, "dtype") else "numpy.asarray(x)"
    except (TypeError, ValueError, BufferError) as error:
        reason = error  # type: Exception
    try:
        if hasattr(value, "detach") and hasattr(value, "numpy"):
            array, x = value.detach().numpy(), "x.detach().numpy()"
        elif hasattr(value, "__array__") and not hasattr(value, "__array_ufunc__"):
            array, x = value.__array__(), "numpy.asarray(x)"
        else:
            raise reason
        return memoryview(array), array, x
    except Exception as error:
        reason = error
    named = "%s%s" % (type(value).__name__, _dtype_of(value, " of "))
    x = "numpy.asarray(x)"
    if hasattr(value, "dtype"):
        x = "x.detach().float().cpu().numpy()" if hasattr(value, "detach") else "x.astype('f4')"
        x = "(%s.clip(%s" % (x, "0, 1) * 255).astype('u1')" if noun == "picture" else "-1, 1) * 32767).astype('<i2')")
    words = "The %s must be a NumPy array or bytes, not %s (%s): pass %s"
    raise TypeError(words % (noun, named, reason, x)) from None


def _device_of(value: Any) -> Optional[str]:
    """The device of a tensor; None for the host."""
    device = getattr(value, "device", None)
    if hasattr(value, "__cuda_array_interface__"):
        return str(device or "cuda")
    name = getattr(device, "type", device)
    if not isinstance(name, str):
        return None
    return None if name.split("device:")[-1].split(":")[0].lower() in ("", "cpu") else str(device)


def _dtype_of(value: Any, before: str = "") -> str:
    dtype = getattr(value, "dtype", None)
    return "" if dtype is None else before + str(dtype)


def _described(view: memoryview, value: Any) -> str:
    """Type and shape of an array, for error messages."""
    name = _dtype_of(value) or _ITEM_NAMES.get(_letter(view), view.format)
    return "%s of shape %s" % (name, tuple(view.shape))


def _conversion(table: Dict[str, str], view: memoryview, x: str) -> str:
    for letters, words in table.items():
        if _letter(view) in letters:
            return ": pass " + words.format(x=x)
    return ""


def _sound_of(pcm: Any, channels: Optional[int]) -> Tuple[memoryview, int]:
    """Returns samples as bytes, and the number of channels."""
    count = None if channels is None else _whole(channels, "channels")
    if count not in (None, 1, 2):
        raise ValueError("channels= must be 1 or 2, not %r" % (channels,))
    view, array, x = _view_of(pcm, "sound")
    is_planar = view.ndim == 2 and view.shape[0] == 2 and view.shape[1] > 2
    x += ".T" if is_planar else ""
    letter = _letter(view)
    is_bytes = letter in "Bc" and not hasattr(array, "dtype") and not hasattr(array, "typecode")
    is_samples = letter == "h" and view.format in _NATIVE_SAMPLES
    if not is_bytes and not is_samples:
        words = "Sound must be int16, not %s" % _described(view, array)
        raise TypeError(words + _conversion(_TO_SAMPLES, view, x))
    if is_planar:
        words = "Sound must have interleaved channels (N, 2), but it is %s: pass %s"
        raise ValueError(words % (_described(view, array), x))
    if view.ndim == 2 and not is_bytes and (view.shape[1] in (1, 2) or view.shape[0] == 1):
        found = view.shape[1] if view.shape[1] in (1, 2) else 1
        if count not in (None, found):
            raise ValueError("channels= is %d, but the sound is %s" % (count, _described(view, array)))
        count = found
    elif view.ndim != 1:
        words = "Sound must have the shape (N,) or, for two channels, (N, 2), but it is %s%s"
        fix = {0: ": pass x.reshape(1)", 3: ": pass x[0]"}.get(view.ndim, "")
        if view.ndim == 2:
            fix = ": pass %s.mean(axis=%d).astype('<i2')" % (x, 1 if view.shape[0] > view.shape[1] else 0)
        raise ValueError(words % (_described(view, array), fix))
    count = count or 1
    if view.nbytes % (2 * count) != 0:
        words = "The sound ends in the middle of a sample: it has %d bytes, but a sample has %d with %d channel%s"
        raise ValueError(words % (view.nbytes, 2 * count, count, "s" if count > 1 else ""))
    if view.nbytes == 0:
        return memoryview(b""), count
    return (view.cast("B") if view.c_contiguous else memoryview(view.tobytes())), count


_NATIVE_SAMPLES = ("<h", "h", "@h", "=h") if sys.byteorder == "little" else ("<h",)


def _is_pillow(picture: Any) -> bool:
    return isinstance(getattr(picture, "mode", None), str) and hasattr(picture, "tobytes")


def _bytes_of_pillow(picture: Any, format: str) -> bytes:
    mode = {"rgb24": "RGB", "rgba": "RGBA"}.get(format)
    if mode is None or picture.mode != mode:
        fix = ("RGBA", "rgba") if mode == "RGBA" or "A" in picture.mode else ("RGB", "rgb24")
        convert = "x" if picture.mode == fix[0] else "x.convert(%r)" % fix[0]
        words = "A Pillow image with the mode %r is not %s: call frame(session, %s, %r)"
        raise TypeError(words % (picture.mode, format, convert, fix[1]))
    return picture.tobytes()


def _check_pixels(view: memoryview, picture: Any, x: str) -> None:
    """Checks that a picture consists of bytes, in the order of rows, columns and colours."""
    shape = tuple(view.shape)
    fixed = x
    if len(shape) == 4:
        fixed, shape = fixed + "[0]", shape[1:]
    # Colour planes first, as in most models.
    is_planar = len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4)
    if is_planar:
        fixed += ".transpose(1, 2, 0)"
    if _letter(view) not in "Bc":
        words = "A picture must consist of bytes (uint8), not of %s" % _described(view, picture)
        raise TypeError(words + _conversion(_TO_PIXELS, view, fixed))
    if is_planar or view.ndim == 4:
        words = "A picture must have the shape (height, width, colours), but it is %s: pass %s"
        raise ValueError(words % (_described(view, picture), fixed))


def _size_of(view: memoryview, format: str, width: int, height: int) -> Tuple[int, int]:
    """Returns width and height of a picture: those of its array, or the given ones."""
    _, pixel_bytes, others = _FORMATS[format]
    shape = tuple(view.shape)
    if view.ndim == 2 and others:
        rows, width = shape
        height = rows * 2 // 3
        if rows % 3 != 0:
            words = "An array of shape %s is not a %s picture, which has height * 3 / 2 rows"
            raise ValueError(words % (shape, format))
    elif view.ndim == 3 and not others and shape[2] == pixel_bytes:
        height, width = shape[:2]
    elif view.ndim != 1:
        raise ValueError("An array of shape %s is not a %s picture%s" % (shape, format, _other_format(shape, others)))
    if width % 2 != 0 or height % 2 != 0:
        cut = ": pass x[:%d, :%d]" % (height & ~1, width & ~1) if view.ndim == 3 and min(height, width) > 1 else ""
        words = "The %s of a picture must be even, 2 to %d pixels, not %d"
        side = ("width", width) if width % 2 != 0 else ("height", height)
        raise ValueError(words % (side[0], _SIDE_MAX, side[1]) + cut)
    for name, side in (("width", width), ("height", height)):
        if not 2 <= side <= _SIDE_MAX:
            raise ValueError("The %s of a picture must be even, 2 to %d pixels, not %d" % (name, _SIDE_MAX, side))
    return width, height


def _other_format(shape: Tuple[int, ...], others: Any) -> str:
    """The fix for an array whose shape does not match its format."""
    if len(shape) == 2 and not others:
        return ", but a greyscale one: pass numpy.stack([x] * 3, axis=-1)"
    if len(shape) != 3:
        return ""
    if shape[2] == 1:
        return ", but a greyscale one: pass numpy.repeat(x, 3, axis=2)"
    fitting = [name for name, (_, count, planes) in _FORMATS.items() if not planes and count == shape[2]]
    return ": its format is %s" % " or ".join(map(repr, fitting)) if fitting else ""


def _layout(format: str, width: int, height: int) -> Tuple[List[int], int]:
    """Returns offset and stride of each of three planes without padding, and the total size in bytes."""
    _, pixel_bytes, others = _FORMATS[format]
    planes = [0, width * pixel_bytes]
    size = width * pixel_bytes * height
    for width_divisor, height_divisor in others:
        planes += [size, width // width_divisor]
        size += width // width_divisor * (height // height_divisor)
    return planes + [0] * (6 - len(planes)), size
