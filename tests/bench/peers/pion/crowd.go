package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/pion/webrtc/v4"
)

// command is one line on the standard input of a crowd. Each is answered by one line.
type command struct {
	// Join adds so many viewers, one after another, each in a session of its own. The answer counts those of the crowd
	// and, by their codes, the refusals.
	Join int `json:"join"`
	// Leave lets so many of the newest viewers leave.
	Leave int `json:"leave"`
	// Without either, the answer has what each viewer has received so far.
}

func crowd(url string) error {
	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings()))
	if err := say(map[string]any{"watching": 0}); err != nil {
		return err
	}
	var viewers []*viewer
	sessions := 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked command
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		refused := map[string]int{}
		var failure string
		for range asked.Join {
			joined, err := join(api, fmt.Sprintf("%s-%d", url, sessions))
			sessions++
			var declined *refusal
			if errors.As(err, &declined) && declined.Code != "" {
				refused[declined.name()]++
				continue
			}
			if err != nil {
				failure = err.Error()
				break
			}
			viewers = append(viewers, joined)
		}
		staying := max(0, len(viewers)-asked.Leave)
		if err := leaveAtOnce(viewers[staying:]); err != nil {
			return err
		}
		viewers = viewers[:staying]
		answer := received(viewers)
		answer["refused"], answer["failure"] = refused, failure
		if err := say(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func leaveAtOnce(leaving []*viewer) error {
	left := make(chan error, len(leaving))
	for _, each := range leaving {
		go func() { left <- each.leave() }()
	}
	var failures error
	for range leaving {
		failures = errors.Join(failures, <-left)
	}
	return failures
}
