package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/chatpage"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/examples/internal/trial"
)

// visitor is what a browser knows: the site, and its session cookie.
type visitor struct {
	ctx     context.Context
	url     string
	session string // the cookie's value
	bearer  string // a token for the header, instead of the cookie
}

// request returns the status and the body, or the reason of a refusal.
func (b *visitor) request(method, path, body string) (int, string, error) {
	r, err := http.NewRequestWithContext(b.ctx, method, b.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Origin", b.url)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if b.session != "" {
		r.AddCookie(&http.Cookie{Name: cookie, Value: b.session})
	}
	if b.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+b.bearer)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		b.session = c.Value
	}
	text, err := io.ReadAll(answer.Body)
	var refusal struct{ Reason, Ticket, Sub string }
	if json.Unmarshal(text, &refusal) == nil {
		text = []byte(cmp.Or(refusal.Reason, refusal.Ticket, refusal.Sub))
	}
	return answer.StatusCode, string(text), err
}

// rest says what happens to GET /me.
func (b *visitor) rest(path string) (string, error) {
	status, text, err := b.request("GET", path, "")
	return fmt.Sprint(status, " ", text), err
}

func (b *visitor) open(auth any) (*sio4.Client, error) {
	header := http.Header{}
	if b.session != "" {
		header.Set("Cookie", cookie+"="+b.session)
	}
	return sio4.Dial(b.ctx, b.url, "/", header, auth)
}

// demonstrate shows what happens to requests and sockets, with and without a login,
// and after a logout.
func demonstrate(ctx context.Context, out io.Writer, site string, secret []byte) error {
	report := trial.Report{Out: out}
	nobody := &visitor{ctx: ctx, url: site}
	expect := func(what, want string, f func() (string, error)) {
		got, err := f()
		report.Expect(what, want, got, err)
	}
	expect("REST without a token", "401 token_missing", func() (string, error) { return nobody.rest("/me") })
	forged := &visitor{ctx: ctx, url: site, bearer: mint.HS256(mint.Secret(), chatpage.Claims("Ada", time.Now()))}
	expect("REST with a forged token", "401 signature_invalid", func() (string, error) { return forged.rest("/me") })
	token := mint.HS256(secret, chatpage.Claims("Ada", time.Now()))
	script := &visitor{ctx: ctx, url: site, bearer: token}
	expect("REST with a token in the header", "200 ada", func() (string, error) { return script.rest("/me") })
	expect("REST with a token in the URL", "401 token_missing", func() (string, error) { return nobody.rest("/me?token=" + token) })

	ada := &visitor{ctx: ctx, url: site}
	if _, _, err := ada.request("POST", "/login", url.Values{"name": {"Ada"}}.Encode()); err != nil {
		return err
	}
	expect("REST with the session cookie", "200 ada", func() (string, error) { return ada.rest("/me") })
	expect("a socket without a ticket", "token_missing", func() (string, error) { return sio4.Outcome(ada.open(map[string]any{})) })
	expect("a socket with the token itself", "token_missing", func() (string, error) {
		return sio4.Outcome(ada.open(map[string]any{"token": token}))
	})
	_, ticket, err := ada.request("POST", "/ticket", "")
	if err != nil {
		return err
	}
	auth := map[string]any{"ticket": ticket}
	socket, err := ada.open(auth)
	if err != nil {
		return err
	}
	defer socket.Close()
	expect("the same ticket again", "ticket_invalid", func() (string, error) { return sio4.Outcome(ada.open(auth)) })
	expect("what is posted by REST", "ada: hello", func() (string, error) {
		if _, _, err := ada.request("POST", "/messages", "hello"); err != nil {
			return "", err
		}
		var m struct{ From, Text string }
		err := socket.Await("message", &m)
		return m.From + ": " + m.Text, err
	})

	status, _, err := ada.request("POST", "/logout", "")
	report.Expect("a logout", "204", fmt.Sprint(status), err)
	expect("the socket, after it", "token_revoked", socket.Answer)
	expect("REST with a token from before it", "401 token_revoked", func() (string, error) { return script.rest("/me") })
	expect("a ticket for a token from before it", "401 token_revoked", func() (string, error) {
		status, text, err := script.request("POST", "/ticket", "")
		return fmt.Sprint(status, " ", text), err
	})
	return report.Err()
}
