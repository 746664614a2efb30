// The side of the bench that is by pion: a server beside ours, and the viewers of all servers.
//
//	peer serve ADDRESS    sends one stream of 2.5 Mbit/s to all who offer at http://ADDRESS/whep/any
//	peer watch URL COUNT  watches a WHEP endpoint so many times, and decodes nothing
//	peer join URL COUNT   the same, one after the other: each is gone before the next
//	peer crowd URL        watches as many sessions, URL-0, URL-1 and so on, as its standard input says
//	peer packet COUNT     encrypts and sends so many packets by UDP, and says what one took
//
// Each prints a line of JSON when it is ready; join's has the times of its viewers, from the offer on. watch then prints,
// for each line on its standard input, what each viewer has received so far; crowd.go has the commands of a crowd.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
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
	case len(args) == 2 && args[0] == "crowd":
		return crowd(args[1])
	case len(args) == 2 && args[0] == "packet":
		count, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return sendAlone(count)
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
	return fmt.Errorf("usage: peer serve ADDRESS | watch URL COUNT | join URL COUNT | crowd URL | packet COUNT")
}

func say(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}

func settings() webrtc.SettingEngine {
	engine := webrtc.SettingEngine{}
	// What fails is returned; the rest are packets that come too late when a viewer leaves.
	engine.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	engine.SetIncludeLoopbackCandidate(true)
	engine.SetICEMulticastDNSMode(0)
	engine.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	return engine
}
