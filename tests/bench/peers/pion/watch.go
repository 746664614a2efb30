package main

import (
	"bufio"
	"os"

	"github.com/pion/webrtc/v4"
)

const joinsAtOnce = 8

func watch(url string, count int) error {
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings()))
	viewers := make([]*viewer, count)
	joined := make(chan error, count)
	places := make(chan struct{}, joinsAtOnce)
	for at := range viewers {
		places <- struct{}{}
		go func() {
			var err error
			viewers[at], err = join(api, url)
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
		if err := say(received(viewers)); err != nil {
			return err
		}
	}
	return lines.Err()
}

// received is what each viewer has had so far: packets and pictures.
func received(viewers []*viewer) map[string]any {
	totals := make([][2]int64, len(viewers))
	for at, each := range viewers {
		totals[at] = [2]int64{each.packets.Load(), each.pictures.Load()}
	}
	return map[string]any{"received": totals}
}
