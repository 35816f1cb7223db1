package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// attackParams say what to do to a server.
type attackParams struct {
	HTTP, TCP string
	Kinds     []string
}

// attack is one way to be a nuisance: so many clients that do it again and again. do returns when there is no more to do with the
// connection, or ctx has ended; the connection is closed for it.
type attack struct {
	name    string
	clients int
	do      func(ctx context.Context, a *assailant) error
}

// assailant is one hostile client.
type assailant struct {
	*attackers
	number  int
	address string // its own: 127.0.0.2 and on
	random  *rand.Rand
}

// attackers are all of a process.
type attackers struct {
	params   attackParams
	connects atomic.Int64
	answers  atomic.Int64 // connections on which the server said something
}

// damage is what attackers have done so far.
type damage struct {
	Connects, Answers int64
	CPU               time.Duration
}

// runAttack is the role "attack": `begin`, `end`, `usage`.
func runAttack(ctx context.Context, text string) error {
	a := &attackers{}
	if err := json.Unmarshal([]byte(text), &a.params); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	chosen, err := chooseAttacks(a.params.Kinds)
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	stop := func() {}
	return answer(map[string]func() (any, error){
		"begin": func() (any, error) {
			var running context.Context
			running, stop = context.WithCancel(ctx)
			for _, kind := range chosen {
				a.launch(running, kind, &wait)
			}
			return nil, nil
		},
		"end":   func() (any, error) { stop(); wait.Wait(); return nil, nil },
		"usage": func() (any, error) { return damage{a.connects.Load(), a.answers.Load(), used().CPU}, nil },
	})
}

func allAttacks() (names []string) {
	for _, kind := range attacks {
		names = append(names, kind.name)
	}
	return names
}

func chooseAttacks(names []string) (chosen []attack, err error) {
	for _, name := range names {
		found := false
		for _, kind := range attacks {
			if kind.name == name {
				chosen, found = append(chosen, kind), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no attack is called %q", name)
		}
	}
	return chosen, nil
}

func (a *attackers) launch(ctx context.Context, kind attack, wait *sync.WaitGroup) {
	for i := range kind.clients {
		own := &assailant{attackers: a, number: i, address: fmt.Sprintf("127.0.%d.%d", 1+i%4, 2+i%250),
			random: rand.New(rand.NewPCG(1, uint64(i)))}
		wait.Go(func() {
			for ctx.Err() == nil {
				if err := kind.do(ctx, own); err != nil {
					pause(ctx, 20*time.Millisecond) // refused, or out of ports
				}
			}
		})
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// dial connects from the assailant's own address; the connection ends with ctx. Closing it resets it, so that ports are free
// again at once.
func (a *assailant) dial(ctx context.Context, to string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(a.address)}, Timeout: 10 * time.Second}
	nc, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	a.connects.Add(1)
	_ = nc.(*net.TCPConn).SetLinger(0)
	_ = nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	return &hostile{Conn: nc, stop: context.AfterFunc(ctx, func() { _ = nc.Close() })}, nil
}

// hostile is a connection that ends with a context.
type hostile struct {
	net.Conn
	stop func() bool
}

func (h *hostile) Close() error { h.stop(); return h.Conn.Close() }

// upgradeRequest asks for a WebSocket.
func upgradeRequest(path, more string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + more + "\r\n"
}

// upgrade opens a WebSocket and reads the first of what comes.
func (a *assailant) upgrade(ctx context.Context, path string) (net.Conn, error) {
	nc, err := a.dial(ctx, a.params.HTTP)
	if err != nil {
		return nil, err
	}
	if _, err = nc.Write([]byte(upgradeRequest(path, ""))); err == nil {
		err = a.hear(nc)
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return nc, nil
}

var errRefused = errors.New("refused")

// hear reads the first line of an answer.
func (a *assailant) hear(nc net.Conn) error {
	var buf [512]byte
	_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := nc.Read(buf[:])
	if err != nil {
		return err
	}
	a.answers.Add(1)
	if !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 101") {
		return errRefused
	}
	return nil
}

// flood writes the same bytes until the server has had enough.
func flood(ctx context.Context, nc net.Conn, b []byte) {
	for ctx.Err() == nil {
		_ = nc.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if _, err := nc.Write(b); err != nil {
			return
		}
	}
}
