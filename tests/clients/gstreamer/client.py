"""GStreamer's webrtcbin behind standard input and output: one JSON command a line in, one JSON event a line out.

tests/support/clients/client_program.ts has the commands and the events.
"""

import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstVideo", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstVideo, GstWebRTC  # noqa: E402

REPORT_INTERVAL_MS = 50
CLOSE_DELAY_MS = 100
CAPS = {
    "H264": "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=102,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f",
    "VP8": "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96",
    "opus": "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111,"
    "encoding-params=(string)2",
}
FEEDBACK = ",rtcp-fb-nack=(boolean)true,rtcp-fb-nack-pli=(boolean)true"
DECODERS = {
    "H264": "rtph264depay ! h264parse name=parse ! avdec_h264",
    "VP8": "rtpvp8depay name=parse ! vp8dec",
    "OPUS": "rtpopusdepay ! opusdec",
}
output = threading.Lock()


def say(event, **fields):
    with output:
        print(json.dumps({"event": event, **fields}), flush=True)


class Client:
    def __init__(self, loop):
        self.loop = loop
        self.pipeline = Gst.Pipeline.new()
        self.web = None
        self.channel = None
        self.pads = []
        self.counts = {}
        self.told = None

    def open(self, bundle):
        self.web = Gst.ElementFactory.make("webrtcbin")
        policies = {"max-bundle": 3, "max-compat": 2, "balanced": 1}
        self.web.set_property("bundle-policy", policies[bundle or "max-bundle"])
        self.web.set_property("latency", 0)
        self.pipeline.add(self.web)
        self.web.connect("notify::connection-state", self.on_state)
        self.web.connect("pad-added", self.on_pad)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: say("trouble", reason=str(message.parse_error())))
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(REPORT_INTERVAL_MS, self.report)

    def on_state(self, web, _):
        say("state", state=web.get_property("connection-state").value_nick)

    def report(self):
        text = json.dumps(self.counts)
        if text != self.told:
            self.told = text
            say("media", **json.loads(text))
        return True

    def on_pad(self, _, pad):
        """Decodes what comes, and counts packets, pictures and sounds."""
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        caps = pad.get_current_caps().get_structure(0)
        kind, name = caps.get_string("media"), caps.get_string("encoding-name")
        counts = self.counts.setdefault(kind, {"packets": 0, "decoded": 0, "keyframes": 0})
        branch = Gst.parse_bin_from_description(
            f"queue ! {DECODERS[name]} ! fakesink name=sink sync=false async=false signal-handoffs=true",
            True,
        )

        def on_packet(_, info):
            counts["packets"] += 1
            return Gst.PadProbeReturn.OK

        def on_frame(_, info):
            if not info.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT):
                counts["keyframes"] += 1
            return Gst.PadProbeReturn.OK

        def on_decoded(_, buffer, sink):
            counts["decoded"] += 1
            structure = sink.get_current_caps().get_structure(0)
            if structure.has_field("width"):
                counts["width"] = structure.get_value("width")
                counts["height"] = structure.get_value("height")

        pad.add_probe(Gst.PadProbeType.BUFFER, on_packet)
        parse = branch.get_by_name("parse")
        if parse is not None:
            parse.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, on_frame)
        branch.get_by_name("sink").connect("handoff", on_decoded)
        self.pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))
        self.pads.append((kind, pad))

    def offer(self, video=0, audio=0, channel=False, codec=None, bundle=None, restart=False, network="udp"):
        # It gathers candidates of both networks always.
        if restart:
            raise NotImplementedError("webrtcbin 1.22 restarts no ICE")
        if self.web is None:
            self.open(bundle)
        names = [codec] if codec else ["H264", "VP8"]
        for _ in range(video):
            self.receive(*(CAPS[name] + FEEDBACK for name in names))
        for _ in range(audio):
            self.receive(CAPS["opus"])
        if channel:
            self.open_channel()
        promise = Gst.Promise.new_with_change_func(self.on_offer)
        self.web.emit("create-offer", None, promise)

    def receive(self, *caps):
        direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        self.web.emit("add-transceiver", direction, Gst.Caps.from_string(";".join(caps)))

    def open_channel(self):
        self.channel = self.web.emit("create-data-channel", "pinhole", None)
        self.channel.connect("on-open", lambda _: say("channel", state="open"))
        self.channel.connect("on-close", lambda _: say("channel", state="closed"))
        self.channel.connect("on-message-string", lambda _, text: say("message", text=text))

    def on_offer(self, promise):
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        if offer is None:
            say("refused", command="offer", reason=reply.to_string())
            return
        self.web.emit("set-local-description", offer, Gst.Promise.new_with_change_func(self.on_local))

    def on_local(self, _):
        GLib.timeout_add(20, self.await_candidates)

    def await_candidates(self):
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if self.web.get_property("ice-gathering-state") != complete:
            return True
        say("offer", sdp=self.web.get_property("local-description").sdp.as_text())
        return False

    def answer(self, sdp):
        _, message = GstSdp.SDPMessage.new_from_text(sdp)
        kind = GstWebRTC.WebRTCSDPType.ANSWER
        description = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        self.web.emit("set-remote-description", description, Gst.Promise.new_with_change_func(self.on_answer))

    def on_answer(self, promise):
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            say("refused", command="answer", reason=reply.get_value("error").message)
        else:
            say("answered")

    def send(self, text):
        self.channel.emit("send-string", text)

    def keyframe(self):
        for kind, pad in self.pads:
            if kind == "video":
                event = GstVideo.video_event_new_upstream_force_key_unit(Gst.CLOCK_TIME_NONE, True, 0)
                pad.send_event(event)

    def act(self, line):
        command = json.loads(line)
        action = command.pop("do")
        if action == "close":
            self.close()
            return
        try:
            getattr(self, action)(**command)
        except Exception as error:
            say("refused", command=action, reason=f"{type(error).__name__}: {error}")

    def close(self):
        if self.channel is not None:
            self.channel.emit("close")
        self.pipeline.set_state(Gst.State.NULL)
        GLib.timeout_add(CLOSE_DELAY_MS, self.loop.quit)


def read_commands(client):
    for line in sys.stdin:
        GLib.idle_add(client.act, line)
    GLib.idle_add(client.close)


Gst.init(None)
loop = GLib.MainLoop()
client = Client(loop)
threading.Thread(target=read_commands, args=[client], daemon=True).start()
loop.run()
