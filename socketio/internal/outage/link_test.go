package outage_test

import (
	"bufio"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back every line.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					_, _ = c.Write(append(lines.Bytes(), '\n'))
				}
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

func say(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if got, err := bufio.NewReader(c).ReadString('\n'); err != nil || got != line+"\n" {
		t.Fatalf("got %q, %v, want %q", got, err, line)
	}
}

// TestLink: what goes through while the link passes, is held back while it is
// silent, and is lost when it is cut.
func TestLink(t *testing.T) {
	k, err := outage.NewLink(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	old := dial(t, k.Address())
	say(t, old, "first")
	hear(t, old, "first")

	k.Silence()
	fresh := dial(t, k.Address())
	for _, c := range []net.Conn{old, fresh} {
		say(t, c, "held back")
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a silent link: read %d, %v", n, err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	}
	k.Mend()
	hear(t, old, "held back")
	hear(t, fresh, "held back")
	if n := k.Hindered(); n != 2 {
		t.Errorf("%d connections were hindered, want 2", n)
	}

	k.Cut()
	for _, c := range []net.Conn{old, fresh} {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a link that is cut: %v", err)
		}
	}
	if c, err := net.Dial("tcp", k.Address()); err == nil {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a new connection through it: %v", err)
		}
		_ = c.Close()
	}
	k.Mend()
	again := dial(t, k.Address())
	say(t, again, "again")
	hear(t, again, "again")
}
