package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// loadParams say who listens.
type loadParams struct {
	Address  string
	Protocol string // "websocket", "sse", "tcp", or "raw", which has no handshake
	Path     string // # stands for the client's number
	Clients  int
	TLS      bool
	// Buffer is what a client reads at a time.
	Buffer int
}

// sampleEvery is of how many messages one is looked at for its latency.
const sampleEvery = 8

// listener is one client.
type listener struct {
	params   *loadParams
	nc       net.Conn
	buf      []byte
	skip     int // bytes of the frame at work still to come
	seen     int
	messages atomic.Int64
	bytes    atomic.Int64
	others   atomic.Int64 // gaps, closes
	ended    atomic.Bool
	endedAt  atomic.Int64 // ns
	reset    atomic.Bool

	mu        sync.Mutex
	latencies []uint32 // µs
}

// heardSoFar is the sum over all clients.
type heardSoFar struct {
	Messages, Bytes, Others, Ended int64
}

// latency is of the messages sampled since the last mark.
type latency struct {
	Samples  int
	P50, P99 time.Duration
}

// runLoad is the role "load": `connect`, `mark`, `latency`.
func runLoad(ctx context.Context, text string) error {
	var p loadParams
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	if p.Buffer == 0 {
		p.Buffer = 32 << 10
	}
	var list []*listener
	return answer(map[string]func() (any, error){
		"connect": func() (_ any, err error) {
			list, err = connectAll(ctx, &p)
			return len(list), err
		},
		"mark":    func() (any, error) { return sum(list), nil },
		"latency": func() (any, error) { return latencies(list), nil },
		"endings": func() (any, error) { return endings(list), nil },
	})
}

func connectAll(ctx context.Context, p *loadParams) ([]*listener, error) {
	list := make([]*listener, p.Clients)
	for i := range list {
		own := *p
		own.Path = strings.ReplaceAll(p.Path, "#", strconv.Itoa(i))
		l, err := connect(ctx, &own)
		if err != nil {
			return nil, fmt.Errorf("client %d: %w", i, err)
		}
		list[i] = l
		go l.listen()
	}
	return list, nil
}

func connect(ctx context.Context, p *loadParams) (*listener, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return nil, err
	}
	if p.TLS {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}) // it is our own server
	}
	l := &listener{params: p, nc: nc}
	switch p.Protocol {
	case "websocket":
		_, err = fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", p.Path)
	case "sse":
		_, err = fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", p.Path)
	case "tcp":
		_, err = fmt.Fprint(nc, p.Path)
	}
	if err != nil || p.Protocol == "tcp" || p.Protocol == "raw" {
		return l, err
	}
	answer := bufio.NewReaderSize(nc, 4<<10)
	response, err := http.ReadResponse(answer, nil)
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if response.StatusCode > 299 {
		return nil, fmt.Errorf("handshake: %s", response.Status)
	}
	rest, _ := answer.Peek(answer.Buffered())
	l.take(rest)
	return l, nil
}

// listen reads until the connection ends.
func (l *listener) listen() {
	buf := make([]byte, l.params.Buffer)
	for kept := copy(buf, l.buf); ; {
		n, err := l.nc.Read(buf[kept:])
		l.bytes.Add(int64(n))
		if err != nil {
			l.endedAt.Store(time.Now().UnixNano())
			l.reset.Store(errors.Is(err, syscall.ECONNRESET))
			l.ended.Store(true)
			_ = l.nc.Close()
			return
		}
		kept = copy(buf, l.scan(buf[:kept+n]))
	}
}

// take is for what came along with the handshake's answer.
func (l *listener) take(b []byte) { l.buf = bytes.Clone(l.scan(b)) }

// scan walks over WebSocket frames, counts them, and returns what it could not make sense of yet: a header cut in two. For other
// protocols it counts nothing but bytes.
func (l *listener) scan(b []byte) []byte {
	if l.params.Protocol != "websocket" && l.params.Protocol != "raw" {
		return nil
	}
	var now int64
	for {
		if l.skip >= len(b) {
			l.skip -= len(b)
			return nil
		}
		b = b[l.skip:]
		l.skip = 0
		head, size := frameHead(b)
		if head == 0 || len(b) < head+18 && len(b) < head+size {
			return b
		}
		if b[0] == closeFrame {
			l.others.Add(1)
		} else {
			l.count(b[head:min(len(b), head+size)], &now)
		}
		l.skip = head + size
	}
}

// frameHead reads an unmasked frame's header: its length, 0 when it is not all there, and the payload's.
func frameHead(b []byte) (head, size int) {
	switch {
	case len(b) < 2:
		return 0, 0
	case b[1] < 126:
		return 2, int(b[1])
	case b[1] == 126 && len(b) >= 4:
		return 4, int(binary.BigEndian.Uint16(b[2:]))
	case b[1] == 127 && len(b) >= 10:
		return 10, int(binary.BigEndian.Uint64(b[2:]))
	}
	return 0, 0
}

var stampMark = []byte(stampSuffix)

// closeFrame begins a server's close frame.
const closeFrame = 0x88

// count looks at what there is of a message: {"message_type":"certificate_update" or dns_entries, heartbeat, gap.
func (l *listener) count(payload []byte, now *int64) {
	if len(payload) < 18 {
		return // a ping
	}
	switch payload[17] {
	case 'h':
		return
	case 'g':
		l.others.Add(1)
		return
	}
	l.messages.Add(1)
	if l.seen++; l.seen%sampleEvery != 0 {
		return
	}
	at := bytes.Index(payload, stampMark)
	if at < stampDigits {
		return
	}
	stamp, err := strconv.ParseInt(string(payload[at-stampDigits:at]), 10, 64)
	if err != nil {
		return
	}
	if *now == 0 {
		*now = time.Now().UnixMicro()
	}
	l.mu.Lock()
	l.latencies = append(l.latencies, uint32(max(*now-stamp, 0)))
	l.mu.Unlock()
}

// sum adds up, and begins new samples.
func sum(list []*listener) heardSoFar {
	var s heardSoFar
	for _, l := range list {
		s.Messages += l.messages.Load()
		s.Bytes += l.bytes.Load()
		s.Others += l.others.Load()
		if l.ended.Load() {
			s.Ended++
		}
		l.mu.Lock()
		l.latencies = l.latencies[:0]
		l.mu.Unlock()
	}
	return s
}

func latencies(list []*listener) latency {
	var all []uint32
	for _, l := range list {
		l.mu.Lock()
		all = append(all, l.latencies...)
		l.mu.Unlock()
	}
	if len(all) == 0 {
		return latency{}
	}
	slices.Sort(all)
	at := func(q float64) time.Duration {
		return time.Duration(all[int(q*float64(len(all)-1))]) * time.Microsecond
	}
	return latency{Samples: len(all), P50: at(0.5), P99: at(0.99)}
}
