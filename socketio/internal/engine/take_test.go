package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestTake: a library may take some packets without waiting, and is given the others as
// before, in order.
func TestTake(t *testing.T) {
	c := newCrowd(t, 1, Config{})
	got := make(chan string)
	c.take = func(_ *Stay, p *Packet) bool {
		if p.Event == "block" {
			return false
		}
		go func() { got <- "took " + p.Event }()
		p.Acknowledge([]byte(`["taken"]`), nil)
		return true
	}
	c.packet = func(_ *Stay, p *Packet) {
		got <- "packet " + p.Event
		p.Acknowledge([]byte(`["answered"]`), nil)
	}
	for i := range 3 {
		for _, text := range []string{`1["a"]`, `2["block"]`, `3["b"]`} {
			if err := c.conns[0].WriteMessage(websocket.TextMessage, []byte("42"+text)); err != nil {
				t.Fatal(err)
			}
		}
		who := []string{<-got, <-got, <-got}
		if i == 0 && !slices.Contains(who, "took a") || !slices.Contains(who, "packet block") {
			t.Errorf("got %q", who)
		}
		// While Packet runs, and for a moment behind it, what comes is given to Packet as well.
		for n, want := range []string{`431["taken"]`, `432["answered"]`, `433[`} {
			if i > 0 && n == 0 {
				want = `431[`
			}
			if _, b, err := c.conns[0].ReadMessage(); err != nil || !strings.HasPrefix(string(b), want) {
				t.Fatalf("got %q, %v: expected %s", b, err, want)
			}
		}
	}
}

// TestTakePost: the packets of one POST need more room than there is, and nobody but the
// reader delivers them.
func TestTakePost(t *testing.T) {
	c := newCrowd(t, 0, Config{MaxInbound: 1 << 10, MaxUnauthenticated: 8 << 10})
	const n = 500
	var order []string
	done := make(chan struct{})
	c.packet = func(_ *Stay, p *Packet) {
		if order = append(order, string(p.Data)); len(order) == n {
			close(done)
		}
	}
	post := c.poll(t)
	var events []string
	for i := range n {
		events = append(events, fmt.Sprintf(`42["e",%d]`, i))
	}
	post(strings.Join(events, "\x1e"))
	<-done
	for i, data := range order {
		if data != fmt.Sprintf(`["e",%d]`, i) {
			t.Fatalf("packet %d is %s", i, data)
		}
	}
}

// poll connects a client by polling, and returns how it sends.
func (c *crowd) poll(t *testing.T) (post func(body string)) {
	t.Helper()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	do := func(method, sid, body string) string {
		r, err := http.NewRequestWithContext(context.Background(), method, c.web.URL+"/socket.io/?EIO=4&transport=polling"+sid, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return ""
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %q, %v", method, res.Status, b, err)
		}
		return string(b)
	}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(do(http.MethodGet, "", ""), "0")), &open); err != nil {
		t.Fatal(err)
	}
	post = func(body string) { do(http.MethodPost, "&sid="+open.SID, body) }
	post("40")
	<-c.entered
	return post
}

// TestTakeShutdown: Shutdown waits for a Take that runs for a POST, and for the Packet that
// follows it.
func TestTakeShutdown(t *testing.T) {
	c := newCrowd(t, 0, Config{CloseTimeout: 50 * time.Millisecond})
	taking, goOn, answered := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var over, late atomic.Bool
	c.take = func(*Stay, *Packet) bool {
		close(taking)
		<-goOn
		return false
	}
	c.packet = func(*Stay, *Packet) { late.Store(over.Load()) }
	post := c.poll(t)
	go func() {
		defer close(answered)
		post(`42["e"]`)
	}()
	<-taking
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.server.Shutdown(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v while Take was running", err)
	}
	close(goOn)
	if err := c.server.Shutdown(t.Context(), nil); err != nil {
		t.Error(err)
	}
	over.Store(true)
	<-answered
	if late.Load() {
		t.Error("Packet was called after Shutdown")
	}
}
