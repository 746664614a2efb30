// One side of the bench part fan-out, by pion.
//
//	peer serve ADDRESS    sends one stream of 2.5 Mbit/s to all who offer at http://ADDRESS/whep/any
//	peer watch URL COUNT  watches a WHEP endpoint so many times, and decodes nothing
//	peer join URL COUNT   the same, one after the other: each is gone before the next
//
// Each prints a line of JSON when it is ready; join's has the times of its viewers, from the offer on. watch then prints,
// for each line on its standard input, what each viewer has received so far.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

const (
	pictureInterval   = time.Second / 30
	packetsPerPicture = 9
	payloadBytes      = 1157
	clockRate         = 90000
	joinsAtOnce       = 8
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 3 && (args[0] == "watch" || args[0] == "join"):
		count, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		if args[0] == "join" {
			return joinInTurn(args[1], count)
		}
		return watch(args[1], count)
	}
	return fmt.Errorf("usage: peer serve ADDRESS | peer watch URL COUNT | peer join URL COUNT")
}

func say(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}

func settings() webrtc.SettingEngine {
	engine := webrtc.SettingEngine{}
	engine.SetIncludeLoopbackCandidate(true)
	engine.SetICEMulticastDNSMode(0)
	engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	return engine
}

// ---- Sending ----

func serve(address string) error {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	engine := settings()
	engine.SetLite(true)
	engine.SetICEUDPMux(webrtc.NewICEUDPMux(nil, socket))
	api := webrtc.NewAPI(webrtc.WithSettingEngine(engine))
	track, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: clockRate}, "video", "bench")
	if err != nil {
		return err
	}
	go send(track)
	http.HandleFunc("/whep/", func(response http.ResponseWriter, request *http.Request) {
		answer, err := answerOffer(api, track, request.Body)
		if err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		response.Header().Set("Content-Type", "application/sdp")
		response.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(response, answer)
	})
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if err = say(map[string]any{"listening": listener.Addr().String()}); err != nil {
		return err
	}
	return http.Serve(listener, nil)
}

// send writes pictures at an even pace; what they show is nobody's concern.
func send(track *webrtc.TrackLocalStaticRTP) {
	payload := make([]byte, payloadBytes)
	_, _ = rand.Read(payload)
	var sequence uint16
	started := time.Now()
	for picture := 0; ; picture++ {
		time.Sleep(time.Until(started.Add(time.Duration(picture) * pictureInterval)))
		for at := range packetsPerPicture {
			sequence++
			_ = track.WriteRTP(&rtp.Packet{
				Header: rtp.Header{
					Version:        2,
					SequenceNumber: sequence,
					Timestamp:      uint32(picture * clockRate / 30),
					Marker:         at == packetsPerPicture-1,
				},
				Payload: payload,
			})
		}
	}
}

func answerOffer(api *webrtc.API, track webrtc.TrackLocal, body io.Reader) (string, error) {
	sdp, err := io.ReadAll(io.LimitReader(body, 1<<16))
	if err != nil {
		return "", err
	}
	peer, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	sender, err := peer.AddTrack(track)
	if err != nil {
		return "", err
	}
	go func() {
		for {
			if _, _, err := sender.ReadRTCP(); err != nil {
				return
			}
		}
	}()
	offer := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: string(sdp)}
	if err = peer.SetRemoteDescription(offer); err != nil {
		return "", err
	}
	answer, err := peer.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err = peer.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	return peer.LocalDescription().SDP, nil
}

// ---- Watching ----

type reception struct {
	packets, pictures atomic.Int64
}

func watch(url string, count int) error {
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings()))
	viewers := make([]*reception, count)
	joined := make(chan error, count)
	places := make(chan struct{}, joinsAtOnce)
	for at := range viewers {
		viewers[at] = &reception{}
		places <- struct{}{}
		go func() {
			_, _, err := join(api, url, viewers[at])
			joined <- err
			<-places
		}()
	}
	for range viewers {
		if err := <-joined; err != nil {
			return err
		}
	}
	if err := say(map[string]any{"watching": count}); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		totals := make([][2]int64, count)
		for at, viewer := range viewers {
			totals[at] = [2]int64{viewer.packets.Load(), viewer.pictures.Load()}
		}
		if err := say(map[string]any{"received": totals}); err != nil {
			return err
		}
	}
	return lines.Err()
}

// times of a viewer, in milliseconds since its offer was sent.
type times struct {
	Connected   float64 `json:"connected"`
	FirstPacket float64 `json:"first_packet"`
}

func joinInTurn(url string, count int) error {
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings()))
	all := make([]times, count)
	for at := range all {
		peer, joined, err := join(api, url, &reception{})
		if err != nil {
			return err
		}
		all[at] = joined
		if err = peer.GracefulClose(); err != nil {
			return err
		}
	}
	return say(map[string]any{"joined": all})
}

// join settles when the viewer has had its first packet.
func join(api *webrtc.API, url string, into *reception) (*webrtc.PeerConnection, times, error) {
	peer, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, times{}, err
	}
	if _, err = peer.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionRecvonly,
	}); err != nil {
		return nil, times{}, err
	}
	connected, first := make(chan time.Time, 1), make(chan time.Time, 1)
	peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			connected <- time.Now()
		}
	})
	peer.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		first <- time.Now()
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			into.packets.Add(1)
			if packet.Marker {
				into.pictures.Add(1)
			}
		}
	})
	offered, err := negotiate(peer, url)
	if err != nil {
		return nil, times{}, err
	}
	select {
	case at := <-first:
		since := func(moment time.Time) float64 { return float64(moment.Sub(offered).Microseconds()) / 1000 }
		return peer, times{Connected: since(<-connected), FirstPacket: since(at)}, nil
	case <-time.After(time.Minute):
		return nil, times{}, fmt.Errorf("no packet within a minute")
	}
}

// negotiate returns when the offer was sent.
func negotiate(peer *webrtc.PeerConnection, url string) (time.Time, error) {
	offer, err := peer.CreateOffer(nil)
	if err != nil {
		return time.Time{}, err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err = peer.SetLocalDescription(offer); err != nil {
		return time.Time{}, err
	}
	<-gathered
	body := bytes.NewReader([]byte(peer.LocalDescription().SDP))
	offered := time.Now()
	response, err := http.Post(url, "application/sdp", body)
	if err != nil {
		return time.Time{}, err
	}
	defer response.Body.Close()
	sdp, err := io.ReadAll(response.Body)
	if err != nil {
		return time.Time{}, err
	}
	if response.StatusCode != http.StatusCreated {
		return time.Time{}, fmt.Errorf("%s: %s", response.Status, sdp)
	}
	return offered, peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(sdp)})
}
