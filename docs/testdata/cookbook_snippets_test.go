package cookbook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// within runs a client with these claims against a server with these options.
func within(t *testing.T, claims verifiertest.Claims, options []socketio.Option, f func(*sockettest.Server, *sockettest.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := sockettest.NewServer(verifiertest.Accept(claims), options...)
		client := server.Connect(nil)
		client.Authenticate("any token")
		client.Received()
		f(server, client)
	})
}

func TestRooms(t *testing.T) {
	for room, want := range map[string]bool{"org:red:lobby": true, "org:red:admin": false, "org:blue:lobby": false, "other": false} {
		claims := verifiertest.Claims{"sub": "ada", "org": "red", "scope": "chat:read"}
		within(t, claims, rooms(), func(server *sockettest.Server, client *sockettest.Client) {
			joined := false
			server.OnEvent("join", func(c *sockettest.Conn, _ ...any) { joined = c.JoinWith(room, "") == nil })
			client.Emit("join")
			client.Received()
			if joined != want {
				t.Errorf("%s: %v", room, joined)
			}
		})
	}
}

func TestLobby(t *testing.T) {
	for want, org := range map[string]any{
		"[]": "red", "[unauthorized claim_invalid disconnect]": []string{"red", "blue"}, "[unauthorized forbidden unauthorized forbidden disconnect]": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			claims := verifiertest.Claims{"sub": "ada", "org": org, "scope": "chat:read"}
			server := sockettest.NewServer(verifiertest.Accept(claims), rooms()...)
			server.OnAuthenticated(func(c *sockettest.Conn, s *socketio.Session) error { return joinLobby(c, s) })
			client := server.Connect(nil)
			client.Authenticate("any token")
			server.BroadcastTo("org:red:lobby", "news")
			if got := fmt.Sprint(client.Received()[2:]); got != strings.Replace(want, "[]", "[news]", 1) {
				t.Errorf("org %v: %s", org, got)
			}
		})
	}
}

func TestRoles(t *testing.T) {
	for role, want := range map[string]bool{"moderator": true, "reader": false} {
		claims := verifiertest.Claims{"sub": "ada", "roles": []string{role}}
		within(t, claims, moderation(), func(server *sockettest.Server, client *sockettest.Client) {
			ran := false
			server.OnEvent("ban", func(*sockettest.Conn, ...any) { ran = true })
			client.Emit("ban", "bob")
			got := client.Received()
			if ran != want || len(got) == 0 != want || !want && got[0].Refusal().Message != "only for moderators" {
				t.Errorf("%s: %v, %v", role, ran, got)
			}
		})
	}
}

func TestLogout(t *testing.T) {
	claims := verifiertest.Claims{"iss": "https://issuer.example/", "sub": "ada"}
	within(t, claims, nil, func(server *sockettest.Server, client *sockettest.Client) {
		if got := online(server.Registry()); len(got) != 1 || got[0] != "ada" {
			t.Errorf("online: %q", got)
		}
		time.Sleep(time.Second)
		if err := logoutEverywhere(context.Background(), server.Registry(), client.Session().Token()); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(client.Received()); got != "[unauthorized token_revoked disconnect]" {
			t.Error(got)
		}
	})
}

func TestBlock(t *testing.T) {
	blocked := map[string]error{"mallory": nil, "unlucky": errors.New("the database is down")}
	isBlocked := func(_ context.Context, user string) (bool, error) {
		err, found := blocked[user]
		return found && err == nil, err
	}
	for user, retryable := range map[string]bool{"mallory": false, "unlucky": true} {
		synctest.Test(t, func(t *testing.T) {
			server := sockettest.NewServer(verifiertest.Accept(verifiertest.Claims{"sub": user}), unlessBlocked(isBlocked))
			client := server.Connect(nil)
			client.Authenticate("any token")
			if r := client.Received()[1].Refusal(); r == nil || r.Retryable != retryable {
				t.Errorf("%s: %+v", user, r)
			}
		})
	}
	within(t, verifiertest.Claims{"sub": "ada"}, nil, func(server *sockettest.Server, client *sockettest.Client) {
		if err := block(server.Registry(), "ada"); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(client.Received()); got != "[unauthorized rejected disconnect]" {
			t.Error(got)
		}
		if block(server.Registry(), "") == nil {
			t.Error("an empty user was accepted")
		}
	})
}

// hosts sends each request to the issuer of its host.
type hosts map[string]*verifiertest.Issuer

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	return h[r.URL.Host].Client().Transport.RoundTrip(r)
}

func TestTwoIssuers(t *testing.T) {
	customers, staff := verifiertest.NewIssuer("https://login.example.com/"), verifiertest.NewIssuer("https://staff.example.com/")
	client := &http.Client{Transport: hosts{"login.example.com": customers, "staff.example.com": staff}}
	v, err := twoIssuers(jwks.HTTPClient(client))
	if err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []*verifiertest.Issuer{customers, staff} {
		if _, err := v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"sub": "ada", "aud": "chat"})); err != nil {
			t.Errorf("%s: %v", issuer.URL(), err)
		}
	}
	other := verifiertest.NewIssuer("https://other.example.com/")
	if _, err := v.Verify(t.Context(), other.Token(verifiertest.Claims{"sub": "ada", "aud": "chat"})); !errors.Is(err, verifier.ErrIssuerMismatch) {
		t.Errorf("another issuer: %v", err)
	}
}

// TestOwnKeys: the server accepts tokens of its issuer, and ends a session when its key is
// withdrawn.
func TestOwnKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := verifiertest.NewIssuer("https://login.example.com")
		server := verifier.Must(googollee.NewServer(&googollee.Options{PingInterval: time.Hour, PingTimeout: time.Hour}))
		defer server.Close()
		verifier.Must(ownKeys(server, issuer.JWKSURL(), jwks.HTTPClient(issuer.Client())))
		get := func(query string) string {
			w := httptest.NewRecorder()
			server.ServeHTTP(w, httptest.NewRequest("GET", "/socket.io/?EIO=3&transport=polling&"+query, nil))
			return w.Body.String()
		}
		if got := get("token=" + issuer.Token(verifiertest.Claims{"iss": "https://other/", "aud": "chat"})); !strings.Contains(got, "issuer_mismatch") {
			t.Errorf("another issuer: %q", got)
		}
		got := get("token=" + issuer.Token(verifiertest.Claims{"sub": "ada", "aud": "chat"}))
		if strings.Contains(got, "reason") {
			t.Errorf("a good token: %q", got)
		}
		_, id, _ := strings.Cut(got, `"sid":"`)
		id, _, _ = strings.Cut(id, `"`)
		issuer.Rotate(verifiertest.NewKey(verifier.ES256, "2026-2"))
		issuer.Withdraw("key-1")
		withdrawn := time.Now()
		for range 3 { // "authenticated" may come first
			if got = get("sid=" + id); strings.Contains(got, "unauthorized") {
				break
			}
		}
		if after := time.Since(withdrawn); !strings.Contains(got, "key_withdrawn") || after > jwks.DefaultTTL+time.Minute {
			t.Errorf("the key was withdrawn: after %v %q", after, got)
		}
	})
	server := verifier.Must(googollee.NewServer(nil))
	defer server.Close()
	if _, err := ownKeys(server, "http://localhost:8080/jwks.json", jwks.InsecureAllowHTTP()); err != nil {
		t.Error(err)
	}
}

func TestRotate(t *testing.T) {
	current, previous := []byte(strings.Repeat("new ", 8)), []byte(strings.Repeat("old ", 8))
	set, err := rotating(current, previous)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.New(set); err != nil {
		t.Error(err)
	}
	if _, err := rotating(current, current[:8]); err == nil {
		t.Error("a short secret was accepted")
	}
}

func TestCookie(t *testing.T) {
	secret := verifier.Must(keys.Secret([]byte(strings.Repeat("secret ", 8))))
	h, err := site(secret, func(*http.Request) (string, error) { return "a.b.c", nil })
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]int{"same-origin": http.StatusOK, "cross-site": http.StatusForbidden} {
		r := httptest.NewRequest("POST", "/login", nil)
		r.Header.Set("Sec-Fetch-Site", from)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || (w.Header().Get("Set-Cookie") != "") != (want == http.StatusOK) {
			t.Errorf("%s: %d, %q", from, w.Code, w.Header().Get("Set-Cookie"))
		}
	}
}

func TestServer(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://issuer.example/")
	v := verifier.Must(verifier.New(issuer))
	server := verifier.Must(googollee.NewServer(nil))
	defer server.Close()
	if err := guests(server, v); err != nil {
		t.Error(err)
	}
	chat := verifier.Must(server.Authorize("/", v))
	perUser(chat)
	notify(chat, "ada", "hello")
}
