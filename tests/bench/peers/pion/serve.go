package main

import (
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

const (
	pictureInterval   = time.Second / 30
	packetsPerPicture = 9
	payloadBytes      = 1157
	clockRate         = 90000
)

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
