package frameworks

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/httpauth"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// onChi uses the middleware as it is.
func onChi(guard *httpauth.Guard) http.Handler {
	r := chi.NewRouter()
	r.Use(guard.Require)
	r.Get("/rooms/{room}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, httpauth.Token(r.Context()).Subject, " in ", chi.URLParam(r, "room"))
	})
	r.With(httpauth.RequireScope("admin")).Get("/admin", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "admin") })
	return r
}

// onGin has middleware of another form, for which there is Check.
func onGin(guard *httpauth.Guard) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(func(c *gin.Context) {
		r, ok := guard.Check(c.Writer, c.Request)
		if !ok {
			c.Abort()
			return
		}
		c.Request = r
	})
	e.GET("/rooms/:room", func(c *gin.Context) {
		c.String(http.StatusOK, "%s in %s", httpauth.Token(c.Request.Context()).Subject, c.Param("room"))
	})
	e.GET("/admin", gin.WrapH(httpauth.RequireScope("admin")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "admin") }))))
	return e
}

// onEcho wraps the middleware.
func onEcho(guard *httpauth.Guard) http.Handler {
	e := echo.New()
	e.Use(echo.WrapMiddleware(guard.Require))
	e.GET("/rooms/:room", func(c echo.Context) error {
		return c.String(http.StatusOK, httpauth.Token(c.Request().Context()).Subject+" in "+c.Param("room"))
	})
	e.GET("/admin", func(c echo.Context) error { return c.String(http.StatusOK, "admin") }, echo.WrapMiddleware(httpauth.RequireScope("admin")))
	return e
}

func TestFrameworks(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://login.example/")
	v, err := verifier.New(issuer, verifier.Issuer(issuer.URL()))
	if err != nil {
		t.Fatal(err)
	}
	registry := socketio.NewRegistry(nil)
	guard, err := httpauth.New(v, registry, &httpauth.Options{Policy: []socketio.Option{socketio.WithLogger(slog.New(slog.DiscardHandler))}})
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Revoke(t.Context(), socketio.Revocation{Subject: "mallory"}); err != nil {
		t.Fatal(err)
	}
	ada := issuer.Token(verifiertest.Claims{"sub": "ada"})
	for name, h := range map[string]http.Handler{"chi": onChi(guard), "gin": onGin(guard), "echo": onEcho(guard)} {
		for _, row := range []struct {
			name, path, token string
			status            int
			body              string
		}{
			{"a good token", "/rooms/lobby", ada, 200, "ada in lobby"},
			{"none", "/rooms/lobby", "", 401, ""},
			{"a revoked user", "/rooms/lobby", issuer.Token(verifiertest.Claims{"sub": "mallory"}), 401, ""},
			{"without the scope", "/admin", ada, 403, ""},
			{"with the scope", "/admin", issuer.Token(verifiertest.Claims{"sub": "ada", "scope": "admin"}), 200, "admin"},
		} {
			r := httptest.NewRequest("GET", row.path, nil)
			if row.token != "" {
				r.Header.Set("Authorization", "Bearer "+row.token)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != row.status || row.status == 200 && w.Body.String() != row.body {
				t.Errorf("%s, %s: %d %q", name, row.name, w.Code, w.Body)
			}
			if w.Code != 200 && w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s, %s: no WWW-Authenticate", name, row.name)
			}
		}
	}
}
