package engine

import "sync"

// notice wakes everybody who waits for the next announcement, and costs one lock when nobody does.
type notice struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that the next announcement closes. Take it before looking at what is waited for.
func (n *notice) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan struct{})
	}
	return n.ch
}

func (n *notice) announce() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil {
		close(n.ch)
		n.ch = nil
	}
}
