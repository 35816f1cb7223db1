package serve

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// What somebody who has not been let in costs, in processor time, collected garbage included.
const (
	acceptCost    = 60 * time.Microsecond  // a connection, its handshake over HTTP, and its end
	tlsCost       = 500 * time.Microsecond // a TLS handshake more
	byteCost      = 25 * time.Nanosecond   // of a header, or of what is no header
	strangerShare = 1.0 / 8                // of all cores that strangers may have
	strangerBurst = 100 * time.Millisecond // of work, after a rest: about a thousand clients
)

// Guard makes a listener whose connections take no more than a part of the processor before they are let in, however many come
// and whatever they send: beyond it they wait, in the system's queue or where they are. secure says that TLS is spoken over it:
// the TLS listener goes around this one.
func Guard(l net.Listener, secure bool) net.Listener {
	d := &door{Listener: l, closed: make(chan struct{}), cost: acceptCost, budget: budget{cores: coresFor(strangerShare), saved: strangerBurst}}
	if secure {
		d.cost += tlsCost
	}
	return d
}

type door struct {
	net.Listener
	cost   time.Duration
	budget budget
	once   sync.Once
	closed chan struct{}
}

// Close implements net.Listener: nobody waits any longer.
func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Listener.Close()
}

// longestWait keeps a wait short of what clients take for an end.
const longestWait = 2 * time.Second

// use notes work and waits until the budget allows more.
func (d *door) use(work time.Duration) {
	pause(context.Background(), d.closed, min(d.budget.use(time.Now(), work), longestWait))
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	d.use(0)
	nc, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	d.budget.use(time.Now(), d.cost)
	if tcp, ok := nc.(*net.TCPConn); ok {
		return &stranger{TCPConn: tcp, door: d}, nil
	}
	return nc, nil
}

// stranger is a connection that has not been let in.
type stranger struct {
	*net.TCPConn
	door *door
	in   atomic.Bool
}

// Read implements net.Conn.
func (s *stranger) Read(p []byte) (int, error) {
	n, err := s.TCPConn.Read(p)
	if n > 0 && !s.in.Load() {
		s.door.use(time.Duration(n) * byteCost)
	}
	return n, err
}

// letIn returns the connection as it is served: a stranger no more.
func letIn(nc net.Conn) net.Conn {
	switch c := nc.(type) {
	case *stranger:
		return c.TCPConn
	case *tls.Conn:
		if under, ok := c.NetConn().(*stranger); ok {
			under.in.Store(true)
		}
	}
	return nc
}
