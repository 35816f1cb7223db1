package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"
)

// rawParams say what the baseline writes: the simplest program that sends these bytes.
type rawParams struct {
	Clients int
	// Write is the size of a write, Every the time between two writes for the same client; Frame the size of the WebSocket
	// frames that the bytes look like, so that the load generator has the same work.
	Write, Frame int
	Every        time.Duration
}

// runRaw is the role "raw": `http`, `start`, `stop`, `usage`.
func runRaw(ctx context.Context, text string) error {
	var p rawParams
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var conns []net.Conn
	return answer(map[string]func() (any, error){
		"http": func() (any, error) { return ln.Addr().String(), nil },
		"start": func() (any, error) {
			for len(conns) < p.Clients {
				nc, err := ln.Accept()
				if err != nil {
					return nil, fmt.Errorf("accepting: %w", err)
				}
				conns = append(conns, nc)
			}
			go writeRaw(ctx, conns, &p)
			return nil, nil
		},
		"stop":  func() (any, error) { cancel(); return published{}, nil },
		"usage": func() (any, error) { return used(), nil },
	})
}

// writeRaw writes to all clients, in as many goroutines as there are cores.
func writeRaw(ctx context.Context, conns []net.Conn, p *rawParams) {
	payload := make([]byte, 0, p.Write)
	for len(payload)+p.Frame <= p.Write {
		body := p.Frame - 4
		payload = append(payload, 0x81, 126, byte(body>>8), byte(body))
		payload = append(payload, make([]byte, body)...)
	}
	var wait sync.WaitGroup
	n := runtime.GOMAXPROCS(0)
	for i := range n {
		mine := conns[len(conns)*i/n : len(conns)*(i+1)/n]
		wait.Go(func() {
			for next := time.Now(); ctx.Err() == nil; next = next.Add(p.Every) {
				time.Sleep(time.Until(next))
				if late := time.Since(next); late > p.Every {
					next = next.Add(late)
				}
				for _, nc := range mine {
					_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
					if _, err := nc.Write(payload); err != nil {
						return
					}
				}
			}
		})
	}
	wait.Wait()
}
