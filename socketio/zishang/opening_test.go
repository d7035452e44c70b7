package zishang

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// TestOpening: the first write arrives with the second, or with the end when there is
// no second, and what follows arrives in order, however it is written.
func TestOpening(t *testing.T) {
	t.Run("held for the second write", func(t *testing.T) {
		server, client := tcpPair(t)
		answer := []byte("answer ")
		write(t, server, answer)
		copy(answer, "another") // the library uses its buffer again
		write(t, server, []byte("open"))
		if got := read(t, client, 1<<10); got != "answer open" {
			t.Errorf("at first came %q", got)
		}
		write(t, server, []byte("!"))
		if got := read(t, client, 1<<10); got != "!" {
			t.Errorf("then came %q", got)
		}
	})
	t.Run("closed before", func(t *testing.T) {
		server, client := tcpPair(t)
		write(t, server, []byte("answer"))
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		if all, err := io.ReadAll(client); err != nil || string(all) != "answer" {
			t.Errorf("came %q: %v", all, err)
		}
	})
	t.Run("long messages", func(t *testing.T) {
		server, client := tcpPair(t)
		write(t, server, []byte("answer "))
		write(t, server, []byte("open "))
		body := bytes.Repeat([]byte("x"), 3000)
		message := net.Buffers{[]byte("head "), body}
		if n, err := message.WriteTo(server); err != nil || n != int64(len("head ")+len(body)) {
			t.Fatalf("wrote %d: %v", n, err)
		}
		_ = server.Close()
		if all, err := io.ReadAll(client); err != nil || string(all) != "answer open head "+string(body) {
			t.Errorf("came %d bytes: %v", len(all), err)
		}
	})
	t.Run("buffers write themselves", func(t *testing.T) {
		server, _ := tcpPair(t)
		write(t, server, []byte("answer"))
		message := net.Buffers{[]byte("head"), []byte("body")}
		if _, err := message.WriteTo(server); err != nil {
			t.Fatal(err)
		}
		if server.held.Load() == nil {
			t.Error("they were written piece by piece, by Write")
		}
	})
	t.Run("no place for it", func(t *testing.T) {
		server, _ := tcpPair(t)
		write(t, server, []byte("answer"))
		_ = server.TCPConn.Close()
		if n, err := server.Write([]byte("open")); err == nil || n != 0 {
			t.Errorf("wrote %d: %v", n, err)
		}
	})
}

func tcpPair(t *testing.T) (*opening, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server := &opening{TCPConn: conn.(*net.TCPConn)}
	t.Cleanup(func() { _, _, _ = listener.Close(), client.Close(), server.Close() })
	return server, client
}

func write(t *testing.T, to io.Writer, p []byte) {
	t.Helper()
	if n, err := to.Write(p); err != nil || n != len(p) {
		t.Fatalf("wrote %d of %d: %v", n, len(p), err)
	}
}

func read(t *testing.T, from io.Reader, most int) string {
	t.Helper()
	p := make([]byte, most)
	n, err := from.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(p[:n])
}
