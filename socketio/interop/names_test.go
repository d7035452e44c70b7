package interop

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestNamesOfNamespaces: a namespace is found by its exact name. One that a person may
// take for it, or another program may normalize to it, does not exist, and the guarded
// one is reached under no other name.
func TestNamesOfNamespaces(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://names.example")
	v, err := verifier.New(issuer, verifier.Issuer("https://names.example"))
	if err != nil {
		t.Fatal(err)
	}
	type server interface {
		http.Handler
		Close() error
	}
	for name, start := range map[string]func() (server, error){
		"googollee": func() (server, error) {
			s, err := googollee.NewServer(nil)
			if err != nil {
				return nil, err
			}
			if _, err := s.Public("/"); err != nil {
				return nil, err
			}
			_, err = s.Authorize("/admin", v, socketio.ByHandshake())
			return s, err
		},
		"zishang": func() (server, error) {
			s := zishang.NewServer(socket.DefaultServerOptions())
			if _, err := s.Public("/"); err != nil {
				return nil, err
			}
			_, err := s.Authorize("/admin", v, socketio.ByHandshake())
			return s, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := start()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			web := httptest.NewServer(s)
			defer web.Close()
			token := `{"token":"` + issuer.Token(verifiertest.Claims{"sub": "alice"}) + `"}`
			enter := func(namespace, auth string) string {
				ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
				if err != nil {
					t.Fatal(err)
				}
				defer ws.Close()
				_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
				if _, _, err := ws.ReadMessage(); err != nil { // OPEN
					t.Fatal(err)
				}
				if err := ws.WriteMessage(websocket.TextMessage, []byte("40"+namespace+","+auth)); err != nil {
					t.Fatal(err)
				}
				_, answer, err := ws.ReadMessage()
				if err != nil {
					return "the end"
				}
				return string(answer)
			}
			if got := enter("/admin", token); !strings.HasPrefix(got, `40/admin,{"sid"`) {
				t.Fatalf("/admin with a token: got %s", got)
			}
			for _, other := range []string{
				"/Admin", "/ADMIN", "/admin/", "//admin", "/admin//", "/./admin", "/x/../admin", "/admin.", "/admin%00", "/%61dmin",
				"/admin\x00", "/ admin", "/admin ", "/аdmin", "/ａdmin", "/admın", "/ADMİN", "/admin\u200b", "/a\u0301dmin", "/admin#", "/admin;x", `/\u0061dmin`, "/admin\\",
			} {
				for auth, presented := range map[string]string{"with a token": token, "without": "{}"} {
					got := enter(other, presented)
					if got != "the end" && !strings.HasPrefix(got, "44") || strings.Contains(got, `"sid"`) {
						t.Errorf("%q %s: got %s", other, auth, got)
					}
				}
			}
			// The query behind the name does not change which namespace it is.
			if got := enter("/admin?x=1", "{}"); !strings.HasPrefix(got, `44/admin,`) {
				t.Errorf("/admin with a query: got %s", got)
			}
		})
	}
}
