package engine

import "sync"

// recent keeps the values used last. Each is made once, for whoever wants it at the same time.
type recent[K comparable, V any] struct {
	max int

	mu   sync.Mutex
	list []*made[K, V] // the one used last is last
	used bool          // since the last tick
}

type made[K comparable, V any] struct {
	key   K
	once  sync.Once
	value V
	err   error
}

// get returns the value of a key, made by make where it is not kept. Errors are not kept.
func (r *recent[K, V]) get(key K, make func() (V, error)) (V, error) {
	m := r.find(key)
	m.once.Do(func() { m.value, m.err = make() })
	if m.err != nil {
		r.drop(m)
	}
	return m.value, m.err
}

func (r *recent[K, V]) find(key K) *made[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used = true
	for i := len(r.list) - 1; i >= 0; i-- {
		if m := r.list[i]; m.key == key {
			copy(r.list[i:], r.list[i+1:])
			r.list[len(r.list)-1] = m
			return m
		}
	}
	if len(r.list) >= r.max {
		copy(r.list, r.list[1:])
		r.list = r.list[:len(r.list)-1]
	}
	m := &made[K, V]{key: key}
	r.list = append(r.list, m)
	return m
}

func (r *recent[K, V]) drop(m *made[K, V]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.list {
		if r.list[i] == m {
			r.list = append(r.list[:i], r.list[i+1:]...)
			return
		}
	}
}

// tick forgets everything, if nothing has been asked for since the last tick.
func (r *recent[K, V]) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.used {
		r.list = nil
	}
	r.used = false
}
