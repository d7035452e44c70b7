// Package outage is what goes wrong around a server, for tests and measurements:
// a network that is cut or falls silent, and a Redis that dies.
package outage

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Link is a piece of network in front of a TCP server. It is safe for concurrent
// use.
type Link struct {
	listener net.Listener
	target   string
	tasks    sync.WaitGroup

	mu       sync.Mutex // guards the rest
	state    state
	changed  chan struct{} // closed when the state is another
	delay    time.Duration // of everything that goes through, in each direction
	rate     int           // bytes a second towards the client, 0 for any
	open     map[net.Conn]struct{}
	hindered int
}

type state int

const (
	passing state = iota
	cut
	silent
	closed
)

// NewLink makes a link to the target, a host and port, which passes.
func NewLink(target string) (*Link, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &Link{listener: l, target: target, changed: make(chan struct{}), open: make(map[net.Conn]struct{})}
	k.tasks.Go(k.accept)
	return k, nil
}

// Address is the link's own, by which the server is reached through it.
func (k *Link) Address() string { return k.listener.Addr().String() }

// Cut resets all connections, and every new one at once.
func (k *Link) Cut() { k.become(cut) }

// Silence lets nothing through, and nobody know: connections stay open, and new
// ones are accepted.
func (k *Link) Silence() { k.become(silent) }

// Mend lets everything through again, what was held back too.
func (k *Link) Mend() { k.become(passing) }

// Slow delays everything by a time, in each direction, and passes on so many bytes a
// second to the client, any number if it is zero.
func (k *Link) Slow(delay time.Duration, rate int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.delay, k.rate = delay, rate
}

// Hindered is how many connections were reset or held up so far.
func (k *Link) Hindered() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hindered
}

// Close ends the link and its connections.
func (k *Link) Close() {
	k.become(closed)
	_ = k.listener.Close()
	k.tasks.Wait()
}

func (k *Link) become(s state) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s != passing && s != closed {
		k.hindered += len(k.open) / 2
	}
	k.state = s
	close(k.changed)
	k.changed = make(chan struct{})
	if s == cut || s == closed {
		for c := range k.open {
			reset(c)
		}
	}
}

func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// wait waits while the link is silent, and reports whether it then passes.
func (k *Link) wait() bool {
	for {
		k.mu.Lock()
		s, changed := k.state, k.changed
		k.mu.Unlock()
		if s != silent {
			return s == passing
		}
		<-changed
	}
}

func (k *Link) accept() {
	for {
		c, err := k.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		k.mu.Lock()
		if k.state != passing {
			k.hindered++
		}
		k.mu.Unlock()
		k.tasks.Go(func() { k.carry(c) })
	}
}

// carry connects a client with the target, until either end goes.
func (k *Link) carry(c net.Conn) {
	defer c.Close()
	if !k.wait() {
		reset(c)
		return
	}
	d, err := net.Dial("tcp", k.target)
	if err != nil {
		reset(c)
		return
	}
	defer d.Close()
	k.mu.Lock()
	if k.state == cut || k.state == closed {
		k.mu.Unlock()
		reset(c)
		return
	}
	k.open[c], k.open[d] = struct{}{}, struct{}{}
	k.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { k.copy(c, d, true) })
	both.Go(func() { k.copy(d, c, false) })
	both.Wait()
	k.mu.Lock()
	delete(k.open, c)
	delete(k.open, d)
	k.mu.Unlock()
}

// chunk is what was read at once, and when.
type chunk struct {
	data []byte
	at   time.Time
	err  error
}

// copy passes on what one end sends, and its end.
func (k *Link) copy(to, from net.Conn, toClient bool) {
	chunks := make(chan chunk, 1<<10) // in flight
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(chunks)
		for {
			b := make([]byte, 4<<10)
			n, err := from.Read(b)
			chunks <- chunk{b[:n], time.Now(), err}
			if err != nil {
				return
			}
		}
	})
	defer reader.Wait()
	for c := range chunks {
		k.mu.Lock()
		delay, rate := k.delay, k.rate
		k.mu.Unlock()
		time.Sleep(time.Until(c.at.Add(delay)))
		if rate > 0 && toClient {
			time.Sleep(time.Duration(len(c.data)) * time.Second / time.Duration(rate))
		}
		passes := k.wait()
		if passes && len(c.data) > 0 {
			_, err := to.Write(c.data)
			passes = err == nil
		}
		if !passes || c.err != nil {
			_ = to.Close()
			if !passes {
				_ = from.Close() // or both are reset
			}
			for range chunks { // so that the reader ends
			}
			return
		}
	}
}
