//go:build unix

package engine

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// BenchmarkDelivery measures one socket's share of a broadcast, its client's part included,
// and beside it only the system call: what no server can go below.
func BenchmarkDelivery(b *testing.B) {
	const sockets = 100
	e := event("a text of a hundred bytes, more or less, as chats have them: the quick brown fox jumps over it")
	b.Run("by=engine", func(b *testing.B) {
		c := newCrowd(b, sockets, Config{})
		var conns []net.Conn
		for _, conn := range c.conns {
			conns = append(conns, conn.NetConn())
		}
		frame := appendFrame(nil, &e.message)
		broadcasts(b, conns, len(frame), func(i int) { c.stays[i].Send(e, nil) })
	})
	b.Run("by=write", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		var clients []net.Conn
		var servers []directWriter
		for range sockets {
			client, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			server, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			clients, servers = append(clients, client), append(servers, newDirectWriter(server))
		}
		frame := appendFrame(nil, &e.message)
		broadcasts(b, clients, len(frame), func(i int) {
			if _, err := servers[i].write(frame); err != nil {
				b.Error(err)
			}
		})
	})
}

// broadcasts sends to every client in turn, and has it take so many bytes each time.
func broadcasts(b *testing.B, clients []net.Conn, size int, send func(i int)) {
	taken := make([]byte, size)
	b.ReportAllocs()
	began := processorTime(b)
	defer func() { b.ReportMetric(float64((processorTime(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/op") }()
	for n := 0; b.Loop(); n++ {
		i := n % len(clients)
		send(i)
		if i == len(clients)-1 {
			for _, c := range clients {
				if _, err := io.ReadFull(c, taken); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}

// processorTime is the process's: a busy machine changes it little.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
