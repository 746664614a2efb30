package main

import (
	"crypto/rand"
	"net"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// sendAlone encrypts and sends packets of 1200 bytes, nine to a picture, to a socket that nobody reads.
func sendAlone(count int) error {
	const alonePayloadBytes = 1172
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer sink.Close()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer socket.Close()
	key, salt, payload := make([]byte, 16), make([]byte, 12), make([]byte, alonePayloadBytes)
	for _, bytes := range [][]byte{key, salt, payload} {
		_, _ = rand.Read(bytes)
	}
	context, err := srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		return err
	}
	to := sink.LocalAddr().(*net.UDPAddr).AddrPort()
	buffer := make([]byte, 0, 1500)
	started := time.Now()
	for at := range count {
		header := rtp.Header{
			Version: 2, PayloadType: 96, SSRC: 1, SequenceNumber: uint16(at), Timestamp: uint32(at / packetsPerPicture * 3000),
			Marker: at%packetsPerPicture == packetsPerPicture-1,
		}
		plain, err := (&rtp.Packet{Header: header, Payload: payload}).Marshal()
		if err != nil {
			return err
		}
		packet, err := context.EncryptRTP(buffer, plain, &header)
		if err != nil {
			return err
		}
		if _, err = socket.WriteToUDPAddrPort(packet, to); err != nil {
			return err
		}
	}
	return say(map[string]any{"packet_us": float64(time.Since(started).Nanoseconds()) / 1000 / float64(count)})
}
