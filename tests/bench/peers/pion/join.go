package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"
)

// firstPictureWait is how long a viewer waits until it is connected and has its first picture.
const firstPictureWait = time.Minute

// leaveWait is how long a server may take to let a viewer leave.
const leaveWait = 10 * time.Second

// reception counts what a viewer has received. A picture ends with a marked packet.
type reception struct {
	packets, pictures atomic.Int64
}

// times of a viewer, in milliseconds since its offer was sent.
type times struct {
	Connected    float64 `json:"connected"`
	FirstPacket  float64 `json:"first_packet"`
	FirstPicture float64 `json:"first_picture"`
}

// viewer is one that has joined.
type viewer struct {
	reception
	peer     *webrtc.PeerConnection
	times    times
	resource string
}

// refusal is an answer by which a server declines an offer.
type refusal struct {
	status string
	// Code and Reason of problem details (RFC 9457), where they have them.
	Code   string `json:"code"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s %s", r.status, r.Code, r.Detail) }

// name is what refusals are counted by.
func (r *refusal) name() string {
	if r.Reason == "" {
		return r.Code
	}
	return fmt.Sprintf("%s (%s)", r.Code, r.Reason)
}

func joinInTurn(url string, count int) error {
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings()))
	all := make([]times, count)
	for at := range all {
		joined, err := join(api, url)
		if err != nil {
			return err
		}
		all[at] = joined.times
		if err = joined.leave(); err != nil {
			return err
		}
	}
	return say(map[string]any{"joined": all})
}

// join settles when the viewer has had its first picture.
func join(api *webrtc.API, url string) (*viewer, error) {
	peer, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	joined := &viewer{peer: peer}
	if err = joined.play(url); err != nil {
		_ = peer.Close()
		return nil, err
	}
	return joined, nil
}

func (v *viewer) play(url string) error {
	if _, err := v.peer.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionRecvonly,
	}); err != nil {
		return err
	}
	connected, packet, picture := make(chan time.Time, 1), make(chan time.Time, 1), make(chan time.Time, 1)
	v.peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			noteOnce(connected)
		}
	})
	v.peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		v.read(track, packet, picture)
	})
	offered, err := v.negotiate(url)
	if err != nil {
		return err
	}
	late := time.After(firstPictureWait)
	since := func(moment time.Time) float64 { return float64(moment.Sub(offered).Microseconds()) / 1000 }
	for what, into := range map[chan time.Time]*float64{
		connected: &v.times.Connected, packet: &v.times.FirstPacket, picture: &v.times.FirstPicture,
	} {
		select {
		case at := <-what:
			*into = since(at)
		case <-late:
			return fmt.Errorf("no picture from %s within %s; it is %s", url, firstPictureWait, v.peer.ConnectionState())
		}
	}
	return nil
}

func (v *viewer) read(track *webrtc.TrackRemote, first, firstPicture chan time.Time) {
	noteOnce(first)
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		v.packets.Add(1)
		if packet.Marker && v.pictures.Add(1) == 1 {
			noteOnce(firstPicture)
		}
	}
}

// noteOnce never blocks: a second time is of no interest.
func noteOnce(at chan time.Time) {
	select {
	case at <- time.Now():
	default:
	}
}

// negotiate returns when the offer was sent.
func (v *viewer) negotiate(whep string) (time.Time, error) {
	offer, err := v.peer.CreateOffer(nil)
	if err != nil {
		return time.Time{}, err
	}
	gathered := webrtc.GatheringCompletePromise(v.peer)
	if err = v.peer.SetLocalDescription(offer); err != nil {
		return time.Time{}, err
	}
	<-gathered
	body := bytes.NewReader([]byte(v.peer.LocalDescription().SDP))
	offered := time.Now()
	response, err := http.Post(whep, "application/sdp", body)
	if err != nil {
		return time.Time{}, err
	}
	defer response.Body.Close()
	sdp, err := io.ReadAll(response.Body)
	if err != nil {
		return time.Time{}, err
	}
	if response.StatusCode != http.StatusCreated {
		declined := &refusal{status: response.Status}
		_ = json.Unmarshal(sdp, declined)
		return time.Time{}, declined
	}
	if location := response.Header.Get("Location"); location != "" {
		resource, err := response.Request.URL.Parse(location)
		if err != nil {
			return time.Time{}, err
		}
		v.resource = resource.String()
	}
	return offered, v.peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(sdp)})
}

// leave ends the viewer on both sides.
func (v *viewer) leave() error {
	if v.resource != "" {
		resource, err := url.Parse(v.resource)
		if err != nil {
			return err
		}
		client := http.Client{Timeout: leaveWait}
		response, err := client.Do(&http.Request{Method: http.MethodDelete, URL: resource})
		if err != nil {
			return err
		}
		if err = response.Body.Close(); err != nil {
			return err
		}
	}
	return v.peer.GracefulClose()
}
