package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// attacks are all kinds, in the order of the table.
var attacks = []attack{
	{"never reading", 300, neverReading},
	{"a byte a second", 300, byteASecond},
	{"giant frames", 50, giantFrames},
	{"bad frames", 50, badFrames},
	{"half-open", 1000, halfOpen},
	{"connect storm", 50, connectStorm},
	{"header flood", 50, headerFlood},
	{"filter bombs", 100, filterBombs},
	{"replays", 100, replays},
}

// neverReading opens the stream with the most bytes and never reads it.
func neverReading(ctx context.Context, a *assailant) error {
	nc, err := a.upgrade(ctx, "/full-stream")
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	pause(ctx, time.Minute)
	return nil
}

// byteASecond reads one byte each second, and half of them write their request just as slowly.
func byteASecond(ctx context.Context, a *assailant) error {
	nc, err := a.dial(ctx, a.params.HTTP)
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	request := []byte(upgradeRequest("/", ""))
	if a.number%2 == 0 {
		for i := range request {
			if _, err := nc.Write(request[i : i+1]); err != nil {
				return nil
			}
			pause(ctx, time.Second)
		}
	} else if _, err := nc.Write(request); err != nil {
		return err
	}
	for one := make([]byte, 1); ctx.Err() == nil; pause(ctx, time.Second) {
		if _, err := nc.Read(one); err != nil {
			return nil
		}
	}
	return nil
}

// frameHeader begins a masked text frame that says it has so many bytes.
func frameHeader(size uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, size), 1, 2, 3, 4)
}

// giantFrames sends frames of more bytes than anybody may send: some say so, some come in small continuations.
func giantFrames(ctx context.Context, a *assailant) error {
	nc, err := a.upgrade(ctx, "/")
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	body := make([]byte, 64<<10)
	if a.number%2 == 0 {
		if _, err := nc.Write(frameHeader(1 << 62)); err != nil {
			return nil
		}
		flood(ctx, nc, body)
		return nil
	}
	// A message that never ends: one frame that is not the last, then continuations of no bytes and of some.
	part := append([]byte{0x00, 0x80 | 100, 1, 2, 3, 4}, body[:100]...)
	if _, err := nc.Write([]byte{0x01, 0x80, 1, 2, 3, 4}); err != nil {
		return nil
	}
	flood(ctx, nc, []byte(strings.Repeat(string(part), 400)))
	return nil
}

// badFrames break the protocol in every way, or keep to it and send far too much.
func badFrames(ctx context.Context, a *assailant) error {
	nc, err := a.upgrade(ctx, "/")
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	ping := "\x89\x84\x01\x02\x03\x04abcd"
	bad := []string{
		"\x81\x05hello",                    // not masked
		"\xf1\x85\x01\x02\x03\x04hello",    // reserved bits
		"\x83\x85\x01\x02\x03\x04hello",    // a reserved opcode
		"\x09\x84\x01\x02\x03\x04abcd",     // a ping in fragments
		"\x89\xfe\x10\x00\x01\x02\x03\x04", // a ping of 4 KiB
		"\x88\x81\x01\x02\x03\x04\x00",     // a close of one byte
		strings.Repeat(ping, 2000),         // pings
		strings.Repeat("\x81\x85\x01\x02\x03\x04hello", 2000),
	}
	flood(ctx, nc, []byte(bad[a.random.IntN(len(bad))]))
	return nil
}

// halfOpen connects to either port and says nothing, half of a request, or half of a hello.
func halfOpen(ctx context.Context, a *assailant) error {
	to, say := a.params.HTTP, ""
	switch a.number % 4 {
	case 1:
		say = "GET / HTTP/1.1\r\nHost: bench\r\n"
	case 2:
		to = a.params.TCP
	case 3:
		to, say = a.params.TCP, `{"stream":"full"`
	}
	nc, err := a.dial(ctx, to)
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	if _, err := nc.Write([]byte(say)); err != nil {
		return nil
	}
	for buf := make([]byte, 512); ; pause(ctx, 100*time.Millisecond) {
		if _, err := nc.Read(buf); err != nil {
			return nil
		}
	}
}

// connectStorm connects and leaves, as fast as it goes: at once, after asking, and after having been let in.
func connectStorm(ctx context.Context, a *assailant) error {
	switch a.random.IntN(4) {
	case 0:
		nc, err := a.dial(ctx, a.params.HTTP)
		if err != nil {
			return err
		}
		return nc.Close()
	case 1:
		nc, err := a.dial(ctx, a.params.TCP)
		if err != nil {
			return err
		}
		_, _ = nc.Write([]byte("f"))
		return nc.Close()
	case 2:
		nc, err := a.dial(ctx, a.params.HTTP)
		if err != nil {
			return err
		}
		_, _ = nc.Write([]byte(upgradeRequest("/", "")))
		return nc.Close()
	default:
		nc, err := a.upgrade(ctx, "/")
		if err != nil {
			return err
		}
		return nc.Close()
	}
}

// headerFlood sends headers without an end, requests one after the other on one connection, and bodies that nobody asked for.
func headerFlood(ctx context.Context, a *assailant) error {
	nc, err := a.dial(ctx, a.params.HTTP)
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	switch a.random.IntN(3) {
	case 0:
		if _, err := nc.Write([]byte("GET / HTTP/1.1\r\nHost: bench\r\n")); err == nil {
			flood(ctx, nc, []byte(strings.Repeat("X-Header: "+strings.Repeat("v", 50)+"\r\n", 100)))
		}
	case 1:
		flood(ctx, nc, []byte(strings.Repeat("GET /example.json HTTP/1.1\r\nHost: bench\r\n"+
			strings.Repeat("X-Header: v\r\n", 100)+"\r\n", 10)))
	default:
		if _, err := nc.Write([]byte("POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: 1000000000\r\n\r\n")); err == nil {
			flood(ctx, nc, make([]byte, 16<<10))
		}
	}
	return nil
}

// filterBombs ask for filters that cost as much as can be, each different from all before.
func filterBombs(ctx context.Context, a *assailant) error {
	q := url.Values{}
	switch n := a.random.IntN(1 << 30); n % 3 {
	case 0:
		for i := range 50 {
			q.Add("domain", fmt.Sprintf("((a?b?c?d?){1,20}|(.*x%d){3,9})+$", n+i))
		}
	case 1:
		for i := range 500 {
			q.Add("suffix", fmt.Sprintf("h%d.example.com", n+i))
		}
	default:
		for i := range 50 {
			q.Add("exclude_domain", fmt.Sprintf("[a-z0-9.]{1,%d}(.*)%d", 10+i, n))
		}
	}
	nc, err := a.upgrade(ctx, "/?"+q.Encode())
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	pause(ctx, time.Duration(a.random.IntN(500))*time.Millisecond)
	return nil
}

// replays ask for all that is kept, through a filter that lets through next to nothing, again and again.
func replays(ctx context.Context, a *assailant) error {
	nc, err := a.upgrade(ctx, fmt.Sprintf("/full-stream?since=1bench-1&suffix=h%d.example.com", a.random.IntN(1<<30)))
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	buf := make([]byte, 32<<10)
	_ = nc.SetReadDeadline(time.Now().Add(time.Second))
	for {
		if _, err := nc.Read(buf); err != nil {
			return nil
		}
	}
}
