package docs

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// reader follows the pages in a new folder: it saves their programs, runs their commands, and
// connects their clients. Only the port differs.
type reader struct {
	*testing.T
	dir string
	url string // of the server
}

func newReader(t *testing.T) *reader {
	t.Helper()
	installed := jsclient.Install(t)
	for _, tool := range []string{"sh", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	r := &reader{T: t, dir: t.TempDir()}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	r.save("go.mod", strings.Replace(read(t, "../go.mod"), "module "+module, "module chat", 1)+
		"\nrequire "+module+" v0.0.0\nreplace "+module+" => "+root+"\n")
	r.save("go.sum", read(t, "../go.sum"))
	if err := os.Mkdir(filepath.Join(r.dir, "node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(installed, "node_modules", "sio4"), filepath.Join(r.dir, "node_modules", "socket.io-client")); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reader) save(name, text string) { r.Helper(); write(r.T, filepath.Join(r.dir, name), text) }

// run runs commands and returns what they print.
func (r *reader) run(commands string) string {
	r.Helper()
	cmd := exec.Command("sh", "-e", "-c", commands)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var trouble strings.Builder
	cmd.Stderr = &trouble
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("%s\n%v\n%s", commands, err, &trouble)
	}
	return string(out)
}

// token runs commands of a page that set TOKEN.
func (r *reader) token(commands string) string {
	r.Helper()
	return r.run(commands + "\nprintf %s \"$TOKEN\"")
}

// serve starts a program of a page. The server listens on a free port in place of 3000.
func (r *reader) serve(main string, env ...string) *process {
	r.Helper()
	r.save("main.go", replace(r.T, main, `http.ListenAndServe("localhost:3000", nil)`, "listenAndServe()"))
	r.save("listen.go", `package main

import (
	"fmt"
	"net"
	"net/http"
)

func listenAndServe() error {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	fmt.Println("listening at http://" + l.Addr().String())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("a request from", r.RemoteAddr)
		http.DefaultServeMux.ServeHTTP(w, r)
	}))
}
`)
	r.run("go build -o server .")
	return r.start(env, filepath.Join(r.dir, "server"))
}

// listening waits until the server of serve listens.
func (r *reader) listening(p *process) {
	r.Helper()
	_, r.url, _ = strings.Cut(p.prints("listening at ")[0], "listening at ")
}

// client runs client.js of a page until it has printed these words, in any order.
func (r *reader) client(script string, args []string, want ...string) {
	r.Helper()
	r.save("client.js", replace(r.T, script, "'http://localhost:3000'", "'"+r.url+"'"))
	p := r.start(nil, "node", append([]string{"client.js"}, args...)...)
	p.prints(want...)
	p.stop()
}

// process is a running program, of which the test reads what it prints.
type process struct {
	t     *testing.T
	name  string
	lines *bufio.Scanner
	stop  func()
}

func (r *reader) start(env []string, name string, args ...string) *process {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	p := &process{t: r.T, name: filepath.Base(name), lines: bufio.NewScanner(out), stop: func() {
		if cancel(); cmd.ProcessState == nil {
			_ = cmd.Wait() // it was killed
		}
	}}
	r.Cleanup(p.stop)
	return p
}

// prints waits until lines with all these words have been printed, and returns them.
func (p *process) prints(want ...string) (lines []string) {
	p.t.Helper()
	lines = make([]string, len(want))
	var all strings.Builder
	for missing := len(want); missing > 0; {
		if !p.lines.Scan() {
			p.t.Fatalf("%s ends (%v) before it has printed %q:\n%s", p.name, p.lines.Err(), want, &all)
		}
		all.WriteString(p.lines.Text() + "\n")
		for i, w := range want {
			if lines[i] == "" && strings.Contains(p.lines.Text(), w) {
				lines[i] = p.lines.Text()
				missing--
			}
		}
	}
	return lines
}

// replace changes a part of a page that is there exactly once.
func replace(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not there once:\n%s", old, text)
	}
	return strings.Replace(text, old, new, 1)
}

// section is what a page has below a heading.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(page, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("there is no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// commands are the indented blocks of a section, without those in snippets.
func commands(section string) []string {
	blocks := regexp.MustCompile(`(?m)(?:^    .*\n)+`).FindAllString(fenced.ReplaceAllString(section, ""), -1)
	for i, block := range blocks {
		blocks[i] = regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, "")
	}
	return blocks
}

// snippet is the first snippet of a language with these words.
func snippet(t *testing.T, page, language, words string) string {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"(?: \\S+)?\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		if strings.Contains(m[1], words) {
			return m[1]
		}
	}
	t.Fatalf("no snippet in %s has %q", language, words)
	return ""
}

// firstServer is the program and the client of the README.
func firstServer(t *testing.T) (main, client string, blocks []string) {
	text := section(t, read(t, "../README.md"), "A first server")
	return snippet(t, text, "go", "func main"), snippet(t, text, "js", "process.argv"), commands(text)
}

// TestFirstServerRuns: the server, the client and the commands of the README do what it says.
func TestFirstServerRuns(t *testing.T) {
	main, client, blocks := firstServer(t)
	r := newReader(t)
	r.run(strings.Split(blocks[1], "\n")[0])
	secret := strings.TrimSpace(read(t, filepath.Join(r.dir, "secret.txt")))
	server := r.serve(main, "JWT_SECRET="+secret)
	r.listening(server)

	r.client(client, []string{r.token(blocks[2])}, "hello", "sent")
	server.prints("hello! ada")
	r.client(client, nil, "no token provided token_missing")
	server.prints("token_missing")
	for reason, change := range map[string][2]string{
		"jwt expired token_expired":                              {"-expires 15m", "-expires -1m"},
		"jwt audience invalid. expected: chat audience_mismatch": {`"aud":"chat"`, `"aud":"billing"`},
	} {
		r.client(client, []string{r.token(replace(t, blocks[2], change[0], change[1]))}, reason)
		server.prints(reason[strings.LastIndex(reason, " ")+1:])
		if text := read(t, "../README.md"); !strings.Contains(text, "`"+reason+"`") {
			t.Errorf("the README does not say %q", reason)
		}
	}
}

// TestFirstServerOfGettingStarted: the server with the simulated tenant accepts and refuses
// what getting-started.md says.
func TestFirstServerOfGettingStarted(t *testing.T) {
	page := read(t, "getting-started.md")
	main, client := snippet(t, page, "go", "func main"), snippet(t, page, "js", "process.argv")
	r := newReader(t)
	before := ""
	for range 2 {
		server := r.serve(main, "AUTH0_DOMAIN=")
		token := server.prints("eyJ")[0]
		r.listening(server)
		r.client(client, []string{token}, "hello, you")
		if before != "" {
			r.client(client, []string{before}, "invalid signature")
		}
		before = token
	}
	r.client(client, nil, "no token provided")
	r.client(client, []string{"a.b.c"}, "invalid token")

	claim := `"exp": time.Now().Add(-time.Minute).Unix()`
	if !strings.Contains(main, claim) {
		t.Fatalf("the page does not say %s", claim)
	}
	expired := replace(t, main, "\t\"os\"\n", "\t\"os\"\n\t\"time\"\n")
	for refusal, main := range map[string]string{
		"jwt expired": replace(t, expired, `"aud": audience`, `"aud": audience, `+claim),
		"jwt audience invalid. expected: https://chat.example.com": replace(t, main, `"aud": audience`, `"aud": "my client"`),
	} {
		server := r.serve(main, "AUTH0_DOMAIN=")
		token := server.prints("eyJ")[0]
		r.listening(server)
		r.client(client, []string{token}, refusal)
	}
}

// TestFirstServerWithoutItsTenant: the log says why a client prints nothing.
func TestFirstServerWithoutItsTenant(t *testing.T) {
	page := read(t, "getting-started.md")
	main, client := snippet(t, page, "go", "func main"), snippet(t, page, "js", "process.argv")
	r := newReader(t)
	server := r.serve(main, "AUTH0_DOMAIN=tenant.invalid") // RFC 6761: nobody has that name
	r.listening(server)
	r.save("client.js", replace(t, client, "'http://localhost:3000'", "'"+r.url+"'"))
	token := verifiertest.NewIssuer("https://tenant.invalid/").Token(verifiertest.Claims{"aud": "https://chat.example.com"})
	defer r.start(nil, "node", "client.js", token).stop()
	server.prints("jwks: failure", "keys_unavailable")
}

// TestFirstServerWithAProvider: the lines of providers.md in the README's program.
func TestFirstServerWithAProvider(t *testing.T) {
	page := read(t, "providers.md")
	main, client, _ := firstServer(t)
	lines := regexp.MustCompile(`(?m)(?:^    .*\n)+`).FindString(page)
	main = regexp.MustCompile(`(?m)^\tsecret := .*\n\tv := .*\n`).ReplaceAllLiteralString(main, lines)
	for _, path := range []string{`"os"`, `"` + module + `/keys"`} {
		main = replace(t, main, "\t"+path+"\n", "")
	}
	main = replace(t, main, "import (\n", "import (\n\t\"fmt\"\n\t\""+module+"/jwks\"\n\t\""+module+"/verifier/verifiertest\"\n")
	r := newReader(t)
	r.save("auth0.go", replace(t, snippet(t, page, "go", "func auth0"), "package chat", "package main"))
	server := r.serve(main)
	token := server.prints("eyJ")[0]
	r.listening(server)
	r.client(client, []string{token}, "hello", "sent")
}

// TestFirstServerWithOwnKeys: the commands of the recipe for keys at a URL, with the README's
// program and client.
func TestFirstServerWithOwnKeys(t *testing.T) {
	text := section(t, read(t, "cookbook.md"), "Your own keys at a URL")
	main, client, _ := firstServer(t)
	r := newReader(t)
	ownKeys := replace(t, snippet(t, text, "go", "func ownKeys"), "package cookbook", "package main")
	r.save("ownkeys.go", replace(t, ownKeys, "EndOnWithdrawnKey(keys, time.Minute)", "EndOnWithdrawnKey(keys, time.Second)"))
	r.save("jwks.js", snippet(t, text, "js", "createPublicKey"))
	site := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(r.dir, "public"))))
	defer site.Close()
	blocks := commands(text)
	if len(blocks) != 5 {
		t.Fatalf("%d blocks of commands: %q", len(blocks), blocks)
	}
	making, line, signing, changing, withdrawing := blocks[0], blocks[1], blocks[2], blocks[3], blocks[4]
	making, _, _ = strings.Cut(making, "python3 ") // the test has its own web server
	r.run(making)

	main = regexp.MustCompile(`(?m)^\tsecret := .*\n\tv := .*\n`).ReplaceAllLiteralString(main, "")
	main = regexp.MustCompile(`(?m)^\tchat := .*\n`).ReplaceAllLiteralString(main, replace(t, line, "http://localhost:8080", site.URL))
	ttl := "jwks.TTL(5*time.Second)"
	if !strings.Contains(text, ttl) {
		t.Fatalf("the page does not say %s", ttl)
	}
	main = replace(t, main, "jwks.InsecureAllowHTTP()", "jwks.InsecureAllowHTTP(), "+ttl)
	main = replace(t, main, "\t\"os\"\n", "\t\"time\"\n")
	server := r.serve(replace(t, main, module+"/keys", module+"/jwks"))
	r.listening(server)
	old := r.token(signing)
	r.client(client, []string{old}, "hello", "sent")
	r.client(client, []string{r.token(changing)}, "hello", "sent")

	r.save("client.js", replace(t, client, "'http://localhost:3000'", "'"+r.url+"'")+snippet(t, read(t, "disconnects.md"), "js", "unauthorized"))
	withdrawn := r.start(nil, "node", "client.js", old)
	withdrawn.prints("sent")
	r.run(withdrawing)
	server.prints("session ended", "key_withdrawn")
	withdrawn.prints("io server disconnect key_withdrawn")
	if set := read(t, filepath.Join(r.dir, "public", "jwks.json")); strings.Contains(set, "2026-1") || !strings.Contains(set, "2026-2") {
		t.Errorf("the set without the old key: %s", set)
	}
}

// TestFirstServerFromAnotherAddress: the second client of deployment.md comes from the address
// that its line names. The test of nginx checks that this address leads to another node.
func TestFirstServerFromAnotherAddress(t *testing.T) {
	text := section(t, read(t, "deployment.md"), "Try it on one machine")
	line := regexp.MustCompile(`(?m)^    (const socket = .*\n)`).FindStringSubmatch(text)
	if line == nil {
		t.Fatal("there is no line for b.js")
	}
	main, client, blocks := firstServer(t)
	r := newReader(t)
	secret := strings.Repeat("secret", 8)
	server := r.serve(main, "JWT_SECRET="+secret)
	r.listening(server)
	client = regexp.MustCompile(`(?m)^const socket = .*\n`).ReplaceAllLiteralString(client, replace(t, line[1], "'http://127.0.0.1'", "'http://localhost:3000'"))
	token := r.token(replace(t, blocks[2], "$(cat secret.txt)", secret))
	r.client(client, []string{token}, "hello", "sent")
	server.prints("a request from 127.0.0.8:", "hello! ada")
}
