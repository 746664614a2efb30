// The client is pion behind standard input and output: one JSON command a line in, one JSON event a line out.
// tests/support/client_program.ts has the commands and the events.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/rtcp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

const (
	reportInterval = 50 * time.Millisecond
	lineBytesMax   = 1 << 20
)

type command struct {
	Do      string `json:"do"`
	SDP     string `json:"sdp"`
	Text    string `json:"text"`
	Video   int    `json:"video"`
	Audio   int    `json:"audio"`
	Channel bool   `json:"channel"`
	Codec   string `json:"codec"`
	Bundle  string `json:"bundle"`
	Restart bool   `json:"restart"`
	Network string `json:"network"`
	Cipher  string `json:"cipher"`
	Curve   string `json:"curve"`
	SRTP    string `json:"srtp"`
}

type counts struct {
	Packets   int `json:"packets"`
	Keyframes int `json:"keyframes"`
}

type client struct {
	peer    *webrtc.PeerConnection
	channel *webrtc.DataChannel

	mutex sync.Mutex
	media map[string]*counts
	ssrcs []webrtc.SSRC
}

var output sync.Mutex

func say(event string, fields map[string]any) {
	if fields == nil {
		fields = map[string]any{}
	}
	fields["event"] = event
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(text))
}

func main() {
	c := &client{media: map[string]*counts{}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		var next command
		err := json.Unmarshal(lines.Bytes(), &next)
		if err == nil {
			if next.Do == "close" {
				break
			}
			err = c.act(next)
		}
		if err != nil {
			say("refused", map[string]any{"command": next.Do, "reason": err.Error()})
		}
	}
	if c.peer != nil {
		_ = c.peer.GracefulClose()
	}
}

func (c *client) act(next command) error {
	switch next.Do {
	case "offer":
		return c.offer(next)
	case "answer":
		answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: next.SDP}
		if err := c.peer.SetRemoteDescription(answer); err != nil {
			return err
		}
		say("answered", nil)
		return nil
	case "send":
		return c.channel.SendText(next.Text)
	case "keyframe":
		return c.keyframe()
	}
	return fmt.Errorf("no such command: %q", next.Do)
}

func (c *client) offer(next command) error {
	if c.peer == nil {
		if err := c.open(next); err != nil {
			return err
		}
	}
	for range next.Video {
		if err := c.receive(webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	for range next.Audio {
		if err := c.receive(webrtc.RTPCodecTypeAudio); err != nil {
			return err
		}
	}
	if next.Channel {
		if err := c.openChannel(); err != nil {
			return err
		}
	}
	offer, err := c.peer.CreateOffer(&webrtc.OfferOptions{ICERestart: next.Restart})
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(c.peer)
	if err = c.peer.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	say("offer", map[string]any{"sdp": c.peer.LocalDescription().SDP})
	return nil
}

func (c *client) open(next command) error {
	media, err := mediaEngine(next.Codec)
	if err != nil {
		return err
	}
	settings, err := settingEngine(next)
	if err != nil {
		return err
	}
	policies := map[string]webrtc.BundlePolicy{
		"":           webrtc.BundlePolicyBalanced,
		"max-bundle": webrtc.BundlePolicyMaxBundle,
		"balanced":   webrtc.BundlePolicyBalanced,
		"max-compat": webrtc.BundlePolicyMaxCompat,
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings))
	c.peer, err = api.NewPeerConnection(webrtc.Configuration{BundlePolicy: policies[next.Bundle]})
	if err != nil {
		return err
	}
	c.peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		say("state", map[string]any{"state": state.String()})
	})
	c.peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { c.consume(track) })
	go c.report()
	return nil
}

func mediaEngine(codec string) (*webrtc.MediaEngine, error) {
	engine := &webrtc.MediaEngine{}
	if codec == "" {
		return engine, engine.RegisterDefaultCodecs()
	}
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	video := webrtc.RTPCodecParameters{
		PayloadType: 102,
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: "video/" + codec, ClockRate: 90000, RTCPFeedback: feedback,
		},
	}
	if codec == "H264" {
		video.SDPFmtpLine = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
	}
	audio := webrtc.RTPCodecParameters{
		PayloadType: 111,
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2,
		},
	}
	if err := engine.RegisterCodec(video, webrtc.RTPCodecTypeVideo); err != nil {
		return nil, err
	}
	return engine, engine.RegisterCodec(audio, webrtc.RTPCodecTypeAudio)
}

// Names of what a client may offer by itself, so that it agrees with the server on nothing else.
var (
	ciphers = map[string]dtls.CipherSuiteID{
		"AES_128_GCM": dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		"AES_256_GCM": dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		"AES_256_CBC": dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		"AES_128_CCM": dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
		"CHACHA20":    dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	curves = map[string]elliptic.Curve{
		"X25519": elliptic.X25519, "P-256": elliptic.P256, "P-384": elliptic.P384,
	}
	profiles = map[string]dtls.SRTPProtectionProfile{
		"AES128_CM_SHA1_80": dtls.SRTP_AES128_CM_HMAC_SHA1_80,
		"AES128_CM_SHA1_32": dtls.SRTP_AES128_CM_HMAC_SHA1_32,
		"AES_128_GCM":       dtls.SRTP_AEAD_AES_128_GCM,
		"AES_256_GCM":       dtls.SRTP_AEAD_AES_256_GCM,
	}
)

func settingEngine(next command) (webrtc.SettingEngine, error) {
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(0)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	if next.Network == "tcp" {
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	if next.Cipher != "" {
		cipher, known := ciphers[next.Cipher]
		if !known {
			return settings, fmt.Errorf("no such cipher: %q", next.Cipher)
		}
		settings.SetDTLSCipherSuites(cipher)
	}
	if next.Curve != "" {
		curve, known := curves[next.Curve]
		if !known {
			return settings, fmt.Errorf("no such curve: %q", next.Curve)
		}
		settings.SetDTLSEllipticCurves(curve)
	}
	if next.SRTP != "" {
		profile, known := profiles[next.SRTP]
		if !known {
			return settings, fmt.Errorf("no such SRTP profile: %q", next.SRTP)
		}
		settings.SetSRTPProtectionProfiles(profile)
	}
	return settings, nil
}

func (c *client) receive(kind webrtc.RTPCodecType) error {
	direction := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	_, err := c.peer.AddTransceiverFromKind(kind, direction)
	return err
}

func (c *client) openChannel() error {
	channel, err := c.peer.CreateDataChannel("pinhole", nil)
	if err != nil {
		return err
	}
	c.channel = channel
	channel.OnOpen(func() { say("channel", map[string]any{"state": "open"}) })
	channel.OnClose(func() { say("channel", map[string]any{"state": "closed"}) })
	channel.OnMessage(func(message webrtc.DataChannelMessage) {
		say("message", map[string]any{"text": string(message.Data)})
	})
	return nil
}

// consume counts packets until the track ends.
func (c *client) consume(track *webrtc.TrackRemote) {
	kind := track.Kind().String()
	c.mutex.Lock()
	c.ssrcs = append(c.ssrcs, track.SSRC())
	if c.media[kind] == nil {
		c.media[kind] = &counts{}
	}
	tally := c.media[kind]
	c.mutex.Unlock()
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			say("ended", map[string]any{"kind": kind})
			return
		}
		c.mutex.Lock()
		tally.Packets++
		if beginsKeyframe(track.Codec().MimeType, packet.Payload) {
			tally.Keyframes++
		}
		c.mutex.Unlock()
	}
}

// beginsKeyframe tells by the payload's headers: RFC 6184 §5.2 and §5.8, RFC 7741 §4.3.
func beginsKeyframe(mimeType string, payload []byte) bool {
	switch mimeType {
	case webrtc.MimeTypeH264:
		if len(payload) < 2 {
			return false
		}
		const idr, stapA, fuA = 5, 24, 28
		switch payload[0] & 0x1f {
		case idr:
			return true
		case stapA:
			return len(payload) > 3 && payload[3]&0x1f == 7
		case fuA:
			return payload[1]&0x80 != 0 && payload[1]&0x1f == idr
		}
	case webrtc.MimeTypeVP8:
		packet := codecs.VP8Packet{}
		frame, err := packet.Unmarshal(payload)
		return err == nil && packet.S == 1 && packet.PID == 0 && len(frame) > 0 && frame[0]&1 == 0
	}
	return false
}

func (c *client) report() {
	told := ""
	for range time.Tick(reportInterval) {
		c.mutex.Lock()
		text, err := json.Marshal(c.media)
		c.mutex.Unlock()
		if err != nil || string(text) == told {
			continue
		}
		told = string(text)
		fields := map[string]any{}
		if json.Unmarshal(text, &fields) == nil {
			say("media", fields)
		}
	}
}

func (c *client) keyframe() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	packets := []rtcp.Packet{}
	for _, ssrc := range c.ssrcs {
		packets = append(packets, &rtcp.PictureLossIndication{MediaSSRC: uint32(ssrc)})
	}
	return c.peer.WriteRTCP(packets)
}
