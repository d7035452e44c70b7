package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write what is printed now into testdata")

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// env has secrets, all of them created here.
var env = map[string]string{
	"SECRET":  "a secret that has 32 bytes, or more",
	"ENCODED": base64.StdEncoding.EncodeToString([]byte("a secret that has 32 bytes, or more")),
	"LINE":    "a secret that has 32 bytes, or more\n",
	"OTHER":   "another secret, which is long enough",
	"SHORT":   "short",
}

// run runs the command and returns what it prints and its status.
func run(t *testing.T, stdin string, args ...string) (out, trouble string, status int) {
	t.Helper()
	return runIn(t, false, stdin, args...)
}

func runIn(t *testing.T, color bool, stdin string, args ...string) (out, trouble string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	c := &command{
		in: strings.NewReader(stdin), out: &o, err: &e, color: color,
		getenv: func(name string) string { return env[name] },
		now:    func() time.Time { return now },
	}
	status = c.run(context.Background(), args)
	return o.String(), e.String(), status
}

func mintToken(t *testing.T, args ...string) string {
	t.Helper()
	token, trouble, status := run(t, "", append([]string{"mint"}, args...)...)
	if status != 0 {
		t.Fatal(trouble)
	}
	return strings.TrimSpace(token)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// keyFiles writes a key pair as PEM, and the public key as a JWK Set with the kid.
func keyFiles(t *testing.T, a verifier.Algorithm, private any, public any) (privatePEM, publicPEM, set string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	privatePEM = write("private.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if der, err = x509.MarshalPKIXPublicKey(public); err != nil {
		t.Fatal(err)
	}
	publicPEM = write("public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	keySet, err := json.Marshal(map[string]any{"keys": []any{verifiertest.NewKey(a, "2026-10").JWK(), verifiertest.NewKey(a, "2026-11").JWK()}})
	if err != nil {
		t.Fatal(err)
	}
	return privatePEM, publicPEM, write("jwks.json", keySet)
}

// TestGolden: what people see, exactly.
func TestGolden(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privatePEM, publicPEM, set := keyFiles(t, verifier.ES256, private, &private.PublicKey)
	bySecret := func(claims string, more ...string) string {
		return mintToken(t, append([]string{"-secret-env", "SECRET", "-claims", claims}, more...)...)
	}
	good := bySecret(`{"sub":"ada","aud":["chat","files"],"iss":"https://issuer.test/"}`)
	expired := bySecret(`{"sub":"ada","aud":"chat","iat":1795519620,"exp":1795521420}`)
	explain := []string{"explain", "-secret-env", "SECRET", "-audience", "chat"}
	with := func(more ...string) []string { return append(append([]string{}, explain...), more...) }
	for _, row := range []struct {
		name, token string
		args        []string
		color       bool
		status      int
	}{
		{"accepted", good, with("-issuer", "https://issuer.test/"), false, 0},
		{"accepted-color", good, explain, true, 0},
		{"expired", expired, explain, false, 1},
		{"expired-color", expired, explain, true, 1},
		{"expired-json", expired, with("-json"), false, 1},
		{"expired-tolerated", bySecret(`{"aud":"chat","exp":1795521590}`), with("-tolerance", "30s"), false, 0},
		{"several", bySecret(`{"sub":"ada","aud":"chat/","iss":"https://issuer.test","iat":1795428000,"nbf":1795521660,"exp":1798113600,"scope":"read"}`),
			with("-issuer", "https://issuer.test/", "-scope", "write", "-max-age", "1h"), false, 1},
		{"forged-and-expired", mintToken(t, "-secret-env", "OTHER", "-claims", `{"aud":"chat","exp":1795521420}`), explain, false, 1},
		{"base64", mintToken(t, "-secret-env", "SECRET", "-claims", `{"aud":"chat"}`), []string{"explain", "-secret-env", "ENCODED"}, false, 1},
		{"line-break", mintToken(t, "-secret-env", "SECRET", "-claims", `{"aud":"chat"}`), []string{"explain", "-secret-env", "LINE"}, false, 1},
		{"short-secret", mintToken(t, "-secret-env", "SHORT", "-claims", `{"aud":"chat"}`), []string{"explain", "-secret-env", "SHORT"}, false, 0},
		{"confused", mintToken(t, "-secret-env", "SECRET", "-claims", `{"aud":"chat"}`), []string{"explain", "-pem", publicPEM}, false, 1},
		{"private-key", mintToken(t, "-private-key", privatePEM, "-claims", `{"aud":"chat"}`), explain, false, 1},
		{"kid", mintToken(t, "-private-key", privatePEM, "-kid", "2026-09", "-claims", `{"aud":"chat"}`), []string{"explain", "-jwk", set}, false, 1},
		{"none", encode(`{"alg":"none"}`) + "." + encode(`{"sub":"ada"}`) + ".AA", explain, false, 1},
		{"type", mintToken(t, "-secret-env", "SECRET", "-typ", "logout+jwt", "-claims", `{"aud":"chat"}`), explain, false, 1},
		{"bound", bySecret(`{"aud":"chat","cnf":{"jkt":"x"}}`), explain, false, 1},
		{"subject-of-a-wrong-type", bySecret(`{"aud":"chat","sub":true}`), explain, false, 1},
		{"milliseconds", bySecret(`{"aud":"chat","exp":1795521600000}`), []string{"decode"}, false, 0},
		{"for-ever", bySecret(`{"name":"\u001b[31mEve\u202e","sub":"José"}`, "-expires", "0"), []string{"decode"}, false, 0},
		{"cut-off", good[:len(good)-60], []string{"decode"}, false, 1},
		{"encrypted", "a.b.c.d.e", []string{"decode"}, false, 1},
		{"nonsense", "hello", explain, false, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, trouble, status := runIn(t, row.color, row.token, row.args...)
			if status != row.status || trouble != "" {
				t.Errorf("status %d, want %d: %s", status, row.status, trouble)
			}
			path := filepath.Join("testdata", row.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if out != string(want) {
				t.Errorf("got\n%s\nwant\n%s", out, want)
			}
			if !row.color && strings.ContainsRune(out, '\x1b') {
				t.Error("output outside of a terminal, or text of a token, has escape sequences")
			}
			if strings.Contains(out, env["SECRET"]) || strings.Contains(out, env["OTHER"]) {
				t.Error("it shows the secret")
			}
		})
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) != 23 {
		t.Errorf("%d files in testdata, want one for each row: %v", len(files), err)
	}
}

// TestMint: tokens of every algorithm, which explain accepts.
func TestMint(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		private, public any
		algorithms      []string
	}{
		{rsaKey, &rsaKey.PublicKey, []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		{p521, &p521.PublicKey, []string{"ES512"}},
		{private, public, []string{"EdDSA"}},
	} {
		privatePEM, publicPEM, _ := keyFiles(t, verifier.EdDSA, row.private, row.public)
		for _, alg := range row.algorithms {
			token := mintToken(t, "-private-key", privatePEM, "-alg", alg, "-claims", `{"sub":"ada"}`)
			if out, trouble, status := run(t, "", "explain", "-pem", publicPEM, "-alg", alg, token); status != 0 {
				t.Errorf("%s: %s%s", alg, out, trouble)
			}
		}
		if _, trouble, status := run(t, "", "mint", "-private-key", privatePEM, "-alg", "HS256"); status != 2 || !strings.Contains(trouble, "does not fit the key") {
			t.Errorf("status %d: %s", status, trouble)
		}
	}
}

// TestNetwork: keys that are published, and the token does not go there.
func TestNetwork(t *testing.T) {
	issuer := verifiertest.Serve(verifiertest.NewKey(verifier.ES256, "2026-11"))
	defer issuer.Close()
	issuer.Now = func() time.Time { return now }
	token := issuer.Token(verifiertest.Claims{"sub": "ada"})
	unknown := issuer.TokenBy(verifiertest.NewKey(verifier.ES256, "2026-09"), nil, verifiertest.Claims{"sub": "ada"})
	shared := issuer.TokenBy(verifiertest.NewKey(verifier.HS256, "2026-11"), nil, verifiertest.Claims{"sub": "ada"})
	private := httptest.NewUnstartedServer(http.NotFoundHandler())
	private.Config.ErrorLog = log.New(io.Discard, "", 0) // the client does not trust it
	private.StartTLS()
	defer private.Close()
	strange := issuer.Token(verifiertest.Claims{"iss": "https://elsewhere.test/"})
	for _, row := range []struct {
		name, token string
		args        []string
		status      int
		want        []string
	}{
		{"good", token, []string{"-oidc", issuer.URL(), "-issuer", issuer.URL()}, 0, []string{`ok    key         kid "2026-11" (ES256)`, "accepts this token"}},
		{"good, by URL", token, []string{"-jwks", issuer.JWKSURL()}, 0, []string{`kid "2026-11" (ES256)`}},
		{"an unknown kid", unknown, []string{"-jwks", issuer.JWKSURL()}, 1, []string{`expected one of kid "2026-11" (ES256)`, `got kid "2026-09"`, "rotated out"}},
		{"a shared secret", shared, []string{"-jwks", issuer.JWKSURL()}, 1, []string{"FAIL  algorithm   expected one for public keys, such as RS256", "signed with a shared secret"}},
		{"another's", strange, []string{"-oidc", issuer.URL()}, 1, []string{`the token's iss is "https://elsewhere.test/"`, "the keys are only for their issuer"}},
		{"no server", token, []string{"-jwks", "http://127.0.0.1:1/jwks.json"}, 1, []string{"FAIL  key         expected the keys", `"retryable":true`}},
		{"a private certificate authority", token, []string{"-jwks", private.URL}, 1, []string{"unknown authority", "Set SSL_CERT_FILE"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, trouble, status := run(t, row.token, append([]string{"explain", "-insecure-allow-http"}, row.args...)...)
			if status != row.status {
				t.Errorf("status %d, want %d: %s", status, row.status, trouble)
			}
			for _, w := range row.want {
				if !strings.Contains(out, w) {
					t.Errorf("it does not say %q:\n%s", w, out)
				}
			}
		})
	}
	if len(issuer.Requests()) == 0 {
		t.Error("nobody asked for keys")
	}
	for _, r := range issuer.Requests() {
		sent, _ := json.Marshal(r)
		if strings.Contains(string(sent), "eyJ") {
			t.Errorf("the token was sent: %s", sent)
		}
	}
}

// TestPasted: what is pasted along with a token does no harm.
func TestPasted(t *testing.T) {
	token := mintToken(t, "-secret-env", "SECRET", "-claims", `{"sub":"ada"}`)
	want, _, _ := run(t, token, "decode")
	for _, pasted := range []string{token + "\n", `"` + token + `"`, "Bearer " + token, "  bearer  " + token + "\r\n", "DPoP " + token} {
		if got, trouble, status := run(t, pasted, "decode"); status != 0 || got != want {
			t.Errorf("%q: %d %s%s", pasted, status, got, trouble)
		}
		if got, trouble, status := run(t, "", "decode", pasted); status != 0 || got != want {
			t.Errorf("%q as an argument: %d %s%s", pasted, status, got, trouble)
		}
	}
}

// TestUsage: an invalid option has the status 2 and a sentence that says what to
// do.
func TestUsage(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{nil, "usage:"},
		{[]string{"verify"}, `no command "verify"`},
		{[]string{"decode"}, "there is no token"},
		{[]string{"decode", "a", "b"}, "2 arguments"},
		{[]string{"decode", "-nonsense"}, "not defined"},
		{[]string{"explain", "a.b.c"}, "say where the keys are"},
		{[]string{"explain", "-secret-env", "SECRET", "-pem", "x", "a.b.c"}, "2 are given"},
		{[]string{"explain", "-secret-env", "NOTHING", "a.b.c"}, "NOTHING is empty"},
		{[]string{"explain", "-pem", "/no/such/key.pem", "a.b.c"}, "no such file"},
		{[]string{"explain", "-jwks", "http://issuer.test/", "a.b.c"}, "https"},
		{[]string{"explain", "-secret-env", "SECRET", "-alg", "HS257", "a.b.c"}, `"HS257" is not supported`},
		{[]string{"mint"}, "either -secret-env or -private-key"},
		{[]string{"mint", "-secret-env", "NOTHING"}, "NOTHING is empty"},
		{[]string{"mint", "-secret-env", "SECRET", "-claims", "[]"}, "expected a JSON object"},
		{[]string{"mint", "-secret-env", "SECRET", "x"}, "no argument"},
		{[]string{"mint", "-secret-env", "SECRET", "-alg", "RS256"}, "does not fit the key: HS256 would"},
		{[]string{"mint", "-private-key", "/no/such/key.pem"}, "no such file"},
	} {
		out, trouble, status := run(t, "", row.args...)
		if status != 2 || !strings.Contains(trouble, row.want) || out != "" {
			t.Errorf("%q: status %d, %q, %q; want %q", row.args, status, out, trouble, row.want)
		}
	}
	if out, _, status := run(t, "", "-h"); status != 0 || !strings.HasPrefix(out, "usage:") {
		t.Errorf("-h: %d, %q", status, out)
	}
}

func TestDemonstration(t *testing.T) {
	out, trouble, status := run(t, "", "-once")
	if status != 0 || strings.Count(out, "  ok  ") != 5 {
		t.Errorf("status %d: %s%s", status, out, trouble)
	}
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "less than a second", time.Second: "1 second", 90 * time.Second: "1 minute 30 seconds", 2 * time.Hour: "2 hours",
		25*time.Hour + 5*time.Second: "1 day 1 hour", -3 * time.Minute: "3 minutes", 366 * 24 * time.Hour: "1 year 1 day", 24*time.Hour + time.Minute: "1 day",
	} {
		if got := words(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

// FuzzDecode: nothing that is pasted ends the command otherwise than by a status,
// or sends the terminal a control character.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "a.b.c", "a.b.c.d.e", encode(`{"alg":"HS256"}`) + "." + encode(`{"exp":1e400,"iat":-1e300,"nbf":"x","aud":[[]]}`) + ".",
		encode(`{"alg":7,"kid":{},"\u001b[2J":1}`) + "." + encode(`{"a\u009b":"\u0007"}`) + ".AA", encode(`{}{}`) + "." + encode(`[]`) + ".AA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, args := range [][]string{{"decode"}, {"explain", "-secret-env", "SECRET", "-audience", "chat", "-issuer", "i", "-max-age", "1h"}} {
			out, _, status := run(t, token, args...)
			if status < 0 || status > 2 || args[0] == "explain" && status == 0 {
				t.Errorf("status %d:\n%s", status, out)
			}
			if i := strings.IndexFunc(out, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 }); i >= 0 {
				t.Errorf("a control character: %q", out[i:])
			}
		}
	})
}
