package engine

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

func TestPolling(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		w.want("admitted /")
		w.post(c, http.StatusOK, `420["say","ä漢😀"]`, `42["say"]`)
		w.want(`said 20["say","ä漢😀"] 0`, `said 2["say"] 0`)
		w.poll(c, `430["gr\u00fc\u00dfe"]`) // once, and ASCII
		w.post(c, http.StatusOK, "2", "2")
		w.poll(c, "3", "3")
		w.post(c, http.StatusOK, "1")
		w.want("left /: transport close", "done /: transport close", "closed: transport close")
		w.post(c, http.StatusOK, "1") // CLOSE for a session that has ended
		w.post(c, http.StatusBadRequest, "2")
	})
}

// TestTwoPolls: the later one takes over, and what was sent comes once.
func TestTwoPolls(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		first := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		second := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		if r := <-first; len(r.Packets) != 1 || r.Packets[0] != "6" {
			t.Errorf("the first poll brought %q, expected NOOP", r.Packets)
		}
		w.post(c, http.StatusOK, "2")
		if r := <-second; len(r.Packets) != 1 || r.Packets[0] != "3" {
			t.Errorf("the second poll brought %q, expected PONG", r.Packets)
		}
	})
}

func TestManyPolls(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		var polls []<-chan rawclient.Reply
		for range 200 {
			polls = append(polls, w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) }))
		}
		w.post(c, http.StatusOK, "2")
		pongs := 0
		for _, p := range polls {
			if r := <-p; len(r.Packets) == 1 && r.Packets[0] == "3" {
				pongs++
			}
		}
		if pongs != 1 {
			t.Errorf("%d polls brought the PONG", pongs)
		}
	})
}

func TestLostPoll(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.polling()
		c.HTTP = w.pipe.Client() // its connection is lost
		done := w.async(func() (rawclient.Reply, error) {
			ctx, cancel := contextWithTimeout(w, time.Second)
			defer cancel()
			return c.Get(ctx)
		})
		<-done
		c.HTTP.CloseIdleConnections()
		w.want("admitted /", "left /: transport close", "done /: transport close", "closed: transport close")
	})
}

func TestPostLimits(t *testing.T) {
	event := func(n int) string { return `42["say","` + strings.Repeat("x", n) + `"]` }
	t.Run("before authentication", func(t *testing.T) {
		inWorld(t, func(_ *world, _ *Config, h *hooks) {
			h.Decide = admitAll(Pending)
		}, func(w *world) {
			c := w.polling()
			w.post(c, http.StatusOK, event(20000))
			w.forget()
			w.post(c, http.StatusRequestEntityTooLarge, event(20<<10))
			w.want("left /: a POST is too large", "done /: a POST is too large", "closed: a POST is too large")
		})
	})
	t.Run("after it", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			c := w.polling()
			w.post(c, http.StatusOK, event(1<<20-100))
			w.forget()
			w.post(c, http.StatusRequestEntityTooLarge, event(1<<20))
			w.want("left /: a POST is too large", "done /: a POST is too large", "closed: a POST is too large")
		})
	})
	t.Run("of unknown length", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			c := w.polling()
			r, err := c.Do(w.Context(), http.MethodPost, "text/plain", io.MultiReader(strings.NewReader(event(1<<20)), new(strings.Reader)))
			if err == nil && r.Status != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d", r.Status)
			}
		})
	})
	t.Run("too many at once", func(t *testing.T) {
		inWorld(t, func(_ *world, c *Config, _ *hooks) { c.MaxInbound = 1000 }, func(w *world) {
			c := w.polling()
			w.post(c, http.StatusOK, `42["hang"]`, event(2000)) // nobody reads on
			w.forget()
			var waiting []<-chan rawclient.Reply
			for range maxPosts {
				waiting = append(waiting, w.async(func() (rawclient.Reply, error) { return c.Post(w.Context(), event(10)) }))
			}
			// A client that waits is not idle.
			time.Sleep(2 * time.Minute)
			w.want()
			w.post(c, http.StatusBadRequest, event(10))
			for _, p := range waiting {
				if r := <-p; r.Status != http.StatusOK {
					t.Errorf("a POST that waited was answered %v", r)
				}
			}
			w.want("left /: too many POSTs at once", "closed: too many POSTs at once", "done /: too many POSTs at once",
				`said `+event(2000)[1:]+` 0`)
		})
	})
}

// trickle is a body that comes too slowly.
type trickle struct{ n int }

func (r *trickle) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	r.n--
	time.Sleep(5 * time.Second)
	p[0] = 'x'
	return 1, nil
}

// TestSlowPost: a body that does not come holds neither the session nor the
// connection, not even where nobody wants it.
func TestSlowPost(t *testing.T) {
	for _, sid := range []string{"", "unknown", "its own"} {
		t.Run("session "+sid, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				c := w.polling()
				if sid != "its own" {
					c.SID = sid
				}
				start := time.Now()
				r, err := c.Do(w.Context(), http.MethodPost, "text/plain", &trickle{1000})
				took := time.Since(start)
				if err == nil && r.Status != http.StatusBadRequest || took > 60*time.Second {
					t.Errorf("got %v, %v after %v", r, err, took)
				}
				time.Sleep(time.Minute) // for the client to notice
			})
		})
	}
}

// TestServerTimeouts: those of an http.Server are not for a poll that hangs.
func TestServerTimeouts(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		pipe := rawclient.NewPipe()
		server := &http.Server{Handler: w.Server, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second, IdleTimeout: time.Minute}
		go func() { _ = server.Serve(pipe) }()
		web := pipe.Client()
		defer func() { web.CloseIdleConnections(); server.Close() }()
		c := w.client()
		c.HTTP = web
		w.poll(c, "0", "40")
		waiting := w.async(func() (rawclient.Reply, error) { return c.Get(w.Context()) })
		time.Sleep(20 * time.Second)
		w.post(c, http.StatusOK, "2")
		if r := <-waiting; len(r.Packets) != 1 || r.Packets[0] != "3" {
			t.Errorf("the poll brought %v", r)
		}
	})
}

func TestMalformedPayloads(t *testing.T) {
	for _, test := range []struct{ name, contentType, body, reason string }{
		{"no length", "text/plain", "x", errPayload.Error()},
		{"empty", "text/plain", "", errPayload.Error()},
		{"another type", "application/json", "1:2", ""},
		{"no type at all", "/", "1:2", ""},
		{"a bad form", "application/x-www-form-urlencoded", "d=%zz", ""},
		{"binary", "application/octet-stream", "\x00\x02\xff4", errPayload.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				c := w.polling()
				w.forget()
				r, err := c.Do(w.Context(), http.MethodPost, test.contentType, strings.NewReader(test.body))
				if err != nil || r.Status != http.StatusBadRequest {
					t.Fatalf("got %v, %v", r, err)
				}
				if strings.Contains(r.Body, "expected") {
					t.Errorf("the client was told %s", r.Body)
				}
				if test.reason == "" {
					w.want() // the session lives
					return
				}
				reason := "malformed payload: " + test.reason
				w.want("left /: "+reason, "done /: "+reason, "closed: "+reason)
			})
		})
	}
}

func TestRequests(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		live := w.polling()
		for _, test := range []struct {
			method, query string
			status        int
			body          string
		}{
			{"GET", "EIO=5&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
			{"GET", "transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
			{"GET", "EIO=3", 400, `{"code":0,"message":"Transport unknown"}`},
			{"GET", "EIO=3&transport=flash", 400, `{"code":0,"message":"Transport unknown"}`},
			{"POST", "EIO=3&transport=polling", 400, `{"code":2,"message":"Bad handshake method"}`},
			{"PUT", "EIO=3&transport=polling&sid=" + live.SID, 400, `{"code":3,"message":"Bad request"}`},
			{"GET", "EIO=3&transport=polling&sid=x", 400, `{"code":1,"message":"Session ID unknown"}`},
			{"GET", "EIO=3&transport=websocket&sid=x", 400, `{"code":1,"message":"Session ID unknown"}`},
			{"GET", "EIO=3&transport=polling&j=alert(1)", 400, `{"code":3,"message":"Bad request"}`},
			{"GET", "EIO=3&transport=polling&j=1234567890", 400, `{"code":3,"message":"Bad request"}`},
			{"GET", "EIO=3&transport=websocket", 400, "Bad Request\n"}, // no upgrade asked for
		} {
			req, _ := http.NewRequestWithContext(w.Context(), test.method, "http://127.0.0.1:1/socket.io/?"+test.query, nil)
			res, err := w.web.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != test.status || string(b) != test.body || res.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: got %d %q %v", test.method, test.query, res.StatusCode, b, res.Header)
			}
		}
	})
}

func TestJSONP(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		c := w.client()
		c.Query = url.Values{"j": {"3"}}
		get := func() (string, http.Header) {
			r, err := c.Do(w.Context(), http.MethodGet, "", nil)
			if err != nil || r.Status != http.StatusOK {
				t.Fatalf("got %v, %v", r, err)
			}
			return r.Body, r.Header
		}
		body, h := get()
		if !strings.HasPrefix(body, `___eio[3]("`) || !strings.HasSuffix(body, `2:40");`) || h.Get("Content-Type") != "text/javascript; charset=UTF-8" {
			t.Fatalf("got %s, %v", body, h)
		}
		c.SID = w.last.ID()
		form := url.Values{"d": {rawclient.Encode(`420["say","a\nb"]`)}}
		// What a client makes of the line end inside the string.
		form.Set("d", strings.ReplaceAll(form.Get("d"), `\n`, `\\n`))
		w.forget()
		r, err := c.Do(w.Context(), http.MethodPost, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
		if err != nil || r.Body != "ok" || r.Header.Get("Content-Type") != "text/html" {
			t.Fatalf("got %v, %v", r, err)
		}
		w.want(`said 20["say","a\nb"] 0`)
		if body, _ := get(); body != `___eio[3]("22:430[\"gr\\u00fc\\u00dfe\"]");` {
			t.Errorf("got %s", body)
		}
		// An attachment comes as base64, and what HTML would take for its own does
		// not stand there as it is.
		w.root.Send(NewEvent(root, []byte(`["</script>",{"_placeholder":true,"num":0}]`), [][]byte{{1, 2, 3}}), nil)
		if body, _ := get(); !strings.Contains(body, `6:b4AQID`) || strings.Contains(body, "<") {
			t.Errorf("got %s", body)
		}
	})
}

func TestPollingAttachments(t *testing.T) {
	event := func() *Event {
		return NewEvent(root, []byte(`["file",{"_placeholder":true,"num":0}]`), [][]byte{{1, 2, 3}})
	}
	t.Run("binary", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			c := w.polling()
			w.forget()
			w.root.Send(event(), nil)
			r, err := c.Do(w.Context(), http.MethodGet, "", nil)
			if err != nil || r.Header.Get("Content-Type") != "application/octet-stream" {
				t.Fatalf("got %v, %v", r, err)
			}
			frames, err := decodePayload([]byte(r.Body), true, new(textEncoding))
			if err != nil || len(frames) != 2 || string(frames[0].data) != `51-["file",{"_placeholder":true,"num":0}]` || !bytes.Equal(frames[1].data, []byte{1, 2, 3}) {
				t.Errorf("got %v, %v", frames, err)
			}
			body := appendBinaryPacket(nil, 0, []byte(`451-["say",{"_placeholder":true,"num":0}]`))
			body = appendBinaryPacket(body, 1, []byte{4}, []byte{9, 8, 7})
			if r, err = c.Do(w.Context(), http.MethodPost, "application/octet-stream", bytes.NewReader(body)); err != nil || r.Status != http.StatusOK {
				t.Fatalf("got %v, %v", r, err)
			}
			w.want(`said 51-["say",{"_placeholder":true,"num":0}] 1`)
		})
	})
	t.Run("base64", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			c := w.client()
			c.Query = url.Values{"b64": {"1"}}
			w.poll(c, "0", "40")
			w.forget()
			w.root.Send(event(), nil)
			w.poll(c, `451-["file",{"_placeholder":true,"num":0}]`, "b4AQID")
			w.post(c, http.StatusOK, `451-["say",{"_placeholder":true,"num":0}]`, "b4AQID")
			w.want(`said 51-["say",{"_placeholder":true,"num":0}] 1`)
		})
	})
}

// TestKeepUp: a client that does not read loses its session, and nobody waits
// for it.
func TestKeepUp(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			inWorld(t, func(_ *world, c *Config, _ *hooks) { c.MaxOutbound = 10000 }, func(w *world) {
				if transport == "polling" {
					w.polling()
				} else {
					_, ws := w.websocket()
					defer ws.Conn.Close()
				}
				w.forget()
				e := NewEvent(root, fmt.Appendf(nil, `["a","%1000d"]`, 0), nil)
				start := time.Now()
				n := 0
				for w.root.Send(e, nil) {
					n++
				}
				if n > 12 || time.Since(start) != 0 {
					t.Errorf("%d were taken in %v", n, time.Since(start))
				}
				reason := "the client does not keep up"
				w.want("left /: "+reason, "done /: "+reason, "closed: "+reason)
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := w.Count(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		})
	}
}
