// Caligo reads a stream as CaliDog's client for Go does, which is not to be had as a module: ReadJSON, a read deadline of 15 s
// set anew for each message, a ping every 15 s, a new connection after 5 s when one breaks. It prints names.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

const (
	deadline = 15 * time.Second
	redial   = 5 * time.Second
)

func main() {
	url := flag.String("url", "ws://127.0.0.1:8080/", "stream")
	names := flag.Int("n", 5, "names to print")
	flag.Parse()
	if err := run(*url, *names); err != nil {
		fmt.Fprintln(os.Stderr, "caligo:", err)
		os.Exit(1)
	}
}

// run reads until enough names were seen; past a message of every kind, so that the heartbeat's form is checked too.
func run(url string, names int) error {
	r := reader{left: names}
	for attempt := range 3 {
		if attempt > 0 {
			time.Sleep(redial)
		}
		err := r.session(url)
		if err == nil {
			return nil
		}
		fmt.Fprintln(os.Stderr, "caligo: connecting again after:", err)
	}
	return errors.New("three connections broke")
}

type reader struct {
	left       int
	heartbeats int
}

func (r *reader) session(url string) error {
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	done := make(chan struct{})
	defer close(done)
	go ping(conn, done)
	for r.left > 0 || r.heartbeats < 2 {
		if err := conn.SetReadDeadline(time.Now().Add(deadline)); err != nil {
			return err
		}
		var message map[string]any
		if err := conn.ReadJSON(&message); err != nil {
			return err
		}
		if err := r.take(message); err != nil {
			return err
		}
	}
	return nil
}

func ping(conn *websocket.Conn, done <-chan struct{}) {
	tick := time.NewTicker(deadline)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			_ = conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(deadline)) // the reader notices
		}
	}
}

func (r *reader) take(message map[string]any) error {
	kind, ok := message["message_type"].(string)
	if !ok {
		return fmt.Errorf("a message without message_type: %v", message)
	}
	if kind == "heartbeat" {
		r.heartbeats++
		return nil
	}
	if kind != "certificate_update" || r.left == 0 {
		return nil
	}
	var data struct {
		Leaf struct {
			Domains []string `json:"all_domains"`
		} `json:"leaf_cert"`
	}
	b, err := json.Marshal(message["data"])
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &data); err != nil {
		return err
	}
	if len(data.Leaf.Domains) > 0 {
		r.left--
		fmt.Fprintln(os.Stdout, data.Leaf.Domains[0])
	}
	return nil
}
