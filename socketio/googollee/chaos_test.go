package googollee_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
)

var chaosFor = flag.Duration("chaos", 3*time.Second, "how long TestChaosOfStays runs for each protocol")

// TestChaosOfStays: twenty connections enter, leave, authenticate and speak in
// bursts, with the tokens of three users. Every handler, broadcast and
// acknowledgement is of the user whose token opened that stay; nobody hears what
// was sent to another stay; nothing is left.
func TestChaosOfStays(t *testing.T) {
	bothProtocols(t, func(t *testing.T, eio string) {
		registry := socketio.NewRegistry(nil)
		var handled, acks atomic.Int64
		configure := func(n *googollee.Namespace) {
			n.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error {
				tag := s.Token().Subject
				c.Join("user " + userOf(tag))
				c.Emit("for", tag)
				c.Emit("ask", tag, func(answer string) {
					acks.Add(1)
					if answer != tag || subject(c) != tag {
						t.Errorf("%s got the acknowledgement of %s", tag, answer)
					}
				})
				time.AfterFunc(time.Duration(rand.IntN(5))*time.Millisecond, func() {
					c.Emit("for", tag)
					n.BroadcastTo("user "+userOf(tag), "for user", userOf(tag))
					if rand.IntN(8) == 0 {
						_ = c.Close()
					}
				})
				return nil
			})
			n.OnEvent("who", func(c *googollee.Conn, tag string) {
				handled.Add(1)
				if subject(c) != tag {
					t.Errorf("an event of %s was handled for %s", tag, subject(c))
				}
			})
		}
		s, n, url := admin(t, configure, socketio.ByHandshake(), socketio.WithRegistry(registry), slowly)
		byEvent, err := s.Authorize("/event", authenticator, socketio.WithRegistry(registry), socketio.Timeout(100*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		configure(byEvent)
		deadline := time.Now().Add(*chaosFor)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				// A busy machine may need longer until anything has come through.
				for r, late := rand.New(rand.NewPCG(uint64(i), 3)), deadline.Add(20*time.Second); time.Now().Before(deadline) || acks.Load() == 0 && time.Now().Before(late); {
					chaotic(t, dialBurst(t, url, eio), r)
				}
			})
		}
		wg.Wait()
		left := func() int { return registry.Count(socketio.Filter{}) + n.Count() + byEvent.Count() }
		for start := time.Now(); left() > 0; time.Sleep(time.Millisecond) {
			if time.Since(start) > 20*time.Second {
				t.Fatalf("%d sessions, %d and %d sockets are left", registry.Count(socketio.Filter{}), n.Count(), byEvent.Count())
			}
		}
		t.Logf("%d events, %d acknowledgements", handled.Load(), acks.Load())
		if handled.Load() == 0 || acks.Load() == 0 {
			t.Error("the test does not do much")
		}
	})
}

var tags atomic.Int64

// userOf is the user of a tag, which names one token.
func userOf(tag string) string {
	user, _, _ := strings.Cut(tag, "~")
	return user
}

// chaotic is one connection of TestChaosOfStays.
func chaotic(t *testing.T, c *burster, r *rand.Rand) {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		c.listen(t)
	}()
	for range 1 + r.IntN(8) {
		var packets []string
		for range 1 + r.IntN(6) {
			tag := fmt.Sprintf("%c~%d", 'a'+r.IntN(3), tags.Add(1))
			if r.IntN(2) == 0 {
				packets = append(packets, c.connect("/admin", "good."+tag), `42/admin,["who","`+tag+`"]`, "41/admin,")
			} else {
				packets = append(packets, c.connect("/event", ""), `42/event,["authenticate",{"token":"good.`+tag+`"}]`,
					`42/event,["who","`+tag+`"]`, "41/event,")
			}
			if last := packets[len(packets)-1]; r.IntN(3) == 0 { // a pause in which it is accepted
				if c.send(packets[:len(packets)-1]...) != nil {
					break
				}
				time.Sleep(time.Duration(r.IntN(4)) * time.Millisecond)
				who := strings.Replace(last[:len(last)-1], "41", "42", 1) + `,["who","` + tag + `"]`
				packets = []string{who, last}
			}
		}
		if c.send(packets...) != nil {
			break
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Duration(5+r.IntN(20)) * time.Millisecond))
	<-heard
	c.Close()
}

// listen holds that what comes between two answers to CONNECT of a namespace is of
// one stay.
func (b *burster) listen(t *testing.T) {
	current := make(map[string]string) // the tag of the present stay, by namespace
	for {
		p, err := b.Read()
		if err != nil {
			return
		}
		if len(p) < 3 || p[2] != '/' {
			continue
		}
		nsp, rest, _ := strings.Cut(p[2:], ",")
		if p[:2] == "40" {
			delete(current, nsp)
			continue
		}
		id, _, _ := strings.Cut(rest, "[")
		var event []string
		if p[:2] != "42" || json.Unmarshal([]byte(rest[len(id):]), &event) != nil || len(event) != 2 {
			continue
		}
		tag := event[1]
		if !addressed(event[0], tag, current[nsp]) {
			t.Errorf("%s heard what was for %s", current[nsp], tag)
		} else if event[0] != "for user" && event[0] != "unauthorized" {
			current[nsp] = tag
		}
		if id != "" {
			_ = b.send("43" + nsp + "," + id + `["` + tag + `"]`)
		}
	}
}

// addressed reports whether the present stay, "" if it is not known, may hear an event for a tag.
func addressed(event, tag, present string) bool {
	switch {
	case present == "" || event == "unauthorized":
		return true
	case event == "for user":
		return userOf(present) == tag
	}
	return present == tag
}
