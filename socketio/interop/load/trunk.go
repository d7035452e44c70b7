package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// trunk is one TCP connection that carries many, since a process may open fewer files
// than it can serve sockets. Each write of a channel is a frame: the channel's number, the
// number of bytes that follow, and the bytes.
type trunk struct {
	conn    net.Conn
	writing sync.Mutex
	out     []byte // the frame that is written

	mu       sync.Mutex
	channels map[uint32]*channel
	accepted chan<- net.Conn // takes what the other side opens; nil on the side that dials
}

// Numbers of bytes that say something else.
const (
	trunkOpens  = 1<<32 - 1
	trunkCloses = 0
)

func newTrunk(c net.Conn, accepted chan<- net.Conn) *trunk {
	t := &trunk{conn: c, channels: make(map[uint32]*channel), accepted: accepted}
	go t.read() // until the connection ends
	return t
}

func (t *trunk) add(id uint32) *channel {
	c := &channel{trunk: t, id: id}
	c.news.L = &c.mu
	t.mu.Lock()
	defer t.mu.Unlock()
	t.channels[id] = c
	return c
}

func (t *trunk) of(id uint32) *channel {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.channels[id]
}

// read hands out the frames. It never waits for a reader, or all channels would.
func (t *trunk) read() {
	r := bufio.NewReaderSize(t.conn, 64<<10)
	err := error(nil)
	for err == nil {
		err = t.next(r)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.channels {
		c.end(io.EOF)
	}
}

func (t *trunk) next(r *bufio.Reader) error {
	header, err := r.Peek(8)
	if err != nil {
		return err
	}
	id, n := binary.BigEndian.Uint32(header), binary.BigEndian.Uint32(header[4:])
	_, _ = r.Discard(8) // which are there
	c := t.of(id)
	switch {
	case n == trunkOpens && t.accepted != nil:
		t.accepted <- t.add(id)
		return nil
	case n == trunkCloses && c != nil:
		c.end(io.EOF)
		return nil
	case c == nil: // this side has closed it
		_, err = r.Discard(int(n))
		return err
	}
	return c.receive(r, int(n))
}

// write makes one system call, as a socket does.
func (t *trunk) write(id, n uint32, p []byte) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.out = binary.BigEndian.AppendUint32(t.out[:0], id)
	t.out = binary.BigEndian.AppendUint32(t.out, n)
	t.out = append(t.out, p...)
	_, err := t.conn.Write(t.out)
	return err
}

// trunks are those of the clients: what they dial is spread over them.
type trunks struct {
	all  [16]*trunk // so that writers seldom wait for each other
	last atomic.Uint32
}

func dialTrunks(address string) (*trunks, error) {
	s := &trunks{}
	for i := range s.all {
		c, err := net.Dial("tcp", address)
		if err != nil {
			s.close()
			return nil, err
		}
		s.all[i] = newTrunk(c, nil)
	}
	return s, nil
}

func (s *trunks) dial(context.Context, string, string) (net.Conn, error) {
	id := s.last.Add(1)
	t := s.all[id%uint32(len(s.all))]
	return t.add(id), t.write(id, trunkOpens, nil)
}

func (s *trunks) close() {
	for _, t := range s.all {
		if t != nil {
			_ = t.conn.Close()
		}
	}
}

// trunkListener accepts the channels of the trunks that come to a listener.
type trunkListener struct {
	net.Listener
	channels chan net.Conn
	gone     chan struct{} // the listener is closed
}

func newTrunkListener(l net.Listener) *trunkListener {
	t := &trunkListener{Listener: l, channels: make(chan net.Conn, 1024), gone: make(chan struct{})}
	go func() {
		defer close(t.gone)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			newTrunk(c, t.channels)
		}
	}()
	return t
}

func (t *trunkListener) Accept() (net.Conn, error) {
	select {
	case c := <-t.channels:
		return c, nil
	case <-t.gone:
		return nil, net.ErrClosed
	}
}
