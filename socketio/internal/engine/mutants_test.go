package engine

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Tests of lines that others did not miss.

// postRaw sends a POST whose body may be incomplete, and returns the answer.
func (w *world) postRaw(sid, head, body string) *http.Response {
	w.Helper()
	conn, err := w.pipe.DialContext(w.Context(), "tcp", "")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	go func() {
		_, _ = fmt.Fprintf(conn, "POST /socket.io/?EIO=3&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s", sid, head, body)
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.Fatal(err)
	}
	return res
}

// TestClosesBehindBadPosts: the server asks a client whose POST it did not read to its end
// for another connection: the rest would be taken for the next request.
func TestClosesBehindBadPosts(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		if res := w.postRaw(c.SID, "Content-Type: text/html\r\nContent-Length: 3", "1:2"); res.StatusCode != http.StatusBadRequest || !res.Close {
			t.Errorf("a POST of HTML was answered %s, close: %v", res.Status, res.Close)
		}
		large := strings.Repeat("x", w.config.MaxMessage+1)
		if res := w.postRaw(c.SID, fmt.Sprint("Content-Length: ", len(large)), large); res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
			t.Errorf("a large POST was answered %s, close: %v", res.Status, res.Close)
		}
		c = w.polling()
		for range maxPosts {
			go func() {
				conn, err := w.pipe.DialContext(w.Context(), "tcp", "")
				if err == nil {
					defer conn.Close()
					_, _ = fmt.Fprintf(conn, "POST /socket.io/?EIO=3&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1", c.SID)
					time.Sleep(time.Second)
				}
			}()
		}
		synctest.Wait()
		if res := w.postRaw(c.SID, "Content-Length: 3", "1:2"); res.StatusCode != http.StatusBadRequest || !res.Close {
			t.Errorf("one POST too many was answered %s, close: %v", res.Status, res.Close)
		}
		time.Sleep(time.Second)
	})
}

// slowAcknowledged is an application that takes its time for acknowledgements.
type slowAcknowledged struct {
	seen    atomic.Int64
	release chan struct{}
}

func (a *slowAcknowledged) Acknowledged(*Packet) {
	a.seen.Add(1)
	<-a.release
}

// TestManyCalls: a client whose packets make calls of the library waits while too many
// wait already.
func TestManyCalls(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		slow := &slowAcknowledged{release: make(chan struct{})}
		e := NewEvent(root, []byte(`["ask"]`), nil)
		const all = 4 * maxCalls
		var answers []string
		for i := range all {
			w.root.Send(e, slow)
			answers = append(answers, fmt.Sprint("43", firstOwnID+1+i, "[]"))
		}
		posted := make(chan struct{})
		go func() {
			defer close(posted)
			_, _ = c.Post(w.Context(), answers...)
		}()
		synctest.Wait()
		w.last.mu.Lock()
		waiting := len(w.last.calls)
		w.last.mu.Unlock()
		if waiting != maxCalls+1 {
			t.Errorf("%d calls wait, expected %d", waiting, maxCalls+1)
		}
		select {
		case <-posted:
			t.Error("the client does not wait")
		default:
		}
		close(slow.release)
		<-posted
		synctest.Wait()
		if n := slow.seen.Load(); n != all {
			t.Errorf("%d acknowledgements came, expected %d", n, all)
		}
	})
}

// TestGateClosesOnWhatWaits: what a client sent before the gate closed, or the server ended
// the stay, and the library has not been given, is dropped; what it sent before it left is
// delivered.
func TestGateClosesOnWhatWaits(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(w *world, st *Stay, ws *socket)
		want []string
	}{
		"the gate closes":       {func(_ *world, st *Stay, _ *socket) { st.SetGate(Pending) }, []string{"first"}},
		"the server ends it":    {func(_ *world, st *Stay, _ *socket) { st.Leave("over", nil) }, []string{"first"}},
		"the client leaves":     {func(_ *world, _ *Stay, ws *socket) { ws.write("41/open,") }, []string{"first", "second"}},
		"the connection is cut": {func(_ *world, _ *Stay, ws *socket) { ws.Conn.Close() }, []string{"first", "second"}},
	} {
		t.Run(name, func(t *testing.T) {
			var release chan struct{}
			var heard []string
			inWorld(t, func(_ *world, _ *Config, h *hooks) {
				release = make(chan struct{})
				h.Packet = func(_ *Stay, p *Packet) bool {
					heard = append(heard, p.Event)
					<-release
					return true
				}
			}, func(w *world) {
				_, ws := w.websocket()
				ws.write("40/open")
				ws.read("40/open,")
				ws.write(`42/open,["first"]`, `42/open,["second"]`)
				synctest.Wait()
				w.mu.Lock()
				st := w.others["/open"]
				w.mu.Unlock()
				test.end(w, st, ws)
				synctest.Wait()
				close(release)
				synctest.Wait()
				if !slices.Equal(heard, test.want) {
					t.Errorf("the library was given %q, expected %q", heard, test.want)
				}
			})
		})
	}
}

// TestEndFreesWhatWaits: when the server ends a session, what the client sent and the
// library has not been given does not stay in memory while a handler blocks.
func TestEndFreesWhatWaits(t *testing.T) {
	var release chan struct{}
	inWorld(t, func(_ *world, _ *Config, h *hooks) {
		release = make(chan struct{})
		h.Packet = func(*Stay, *Packet) bool { <-release; return true }
	}, func(w *world) {
		_, ws := w.websocket()
		ws.write(`42["first"]`, `42["second"]`, `42["third"]`)
		synctest.Wait()
		s := w.last
		s.End("over", nil)
		s.mu.Lock()
		if s.in.bytes != 0 {
			t.Errorf("%d bytes stay", s.in.bytes)
		}
		s.mu.Unlock()
		close(release)
	})
}

// TestComesAndGoesAccepted: a client that namespaces accept may leave them as often as it
// likes.
func TestComesAndGoesAccepted(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.client()
		c.EIO = "4"
		ws := w.dial(c)
		if err := c.ReadOpen(ws.Websocket); err != nil {
			t.Fatal(err)
		}
		for range 2 * maxUnproven {
			ws.write("40/open,")
			synctest.Wait()
			if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, "40/open,") {
				t.Fatalf("got %q, %v", p, err)
			}
			ws.write("41/open,")
			synctest.Wait()
		}
	})
}
