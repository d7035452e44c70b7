package clientjs_test

import (
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var (
	//go:embed testdata/react/package.json
	reactPackage []byte
	//go:embed testdata/react/package-lock.json
	reactLock []byte
)

// TestReact: the React page of docs/cookbook.md, in Chromium and StrictMode. It has one
// connection and gets each event once, through renewals and a loss of the network. It closes
// the connection with its component, and comes back after a logout and a login.
func TestReact(t *testing.T) {
	bundle := reactPage(t)
	i := newIssuer(t, 3*time.Second)
	n := newNode(t, startGoogollee, i, bundle, socketio.ByHandshake())
	page := browser.Open(t, n.url()+"/?"+url.Values{"tokens": {i.tokens("ada")}}.Encode())
	send := func(want int) {
		t.Helper()
		page.Wait(t, `document.querySelector('p')?.textContent === 'online'`)
		page.Eval(t, `document.querySelector('button').click()`)
		page.Wait(t, fmt.Sprintf(`document.querySelectorAll('li').length >= %d`, want))
		if got := page.Eval(t, `document.querySelectorAll('li').length`); got != fmt.Sprint(want) {
			t.Errorf("%s lines, want %d", got, want)
		}
	}
	send(1)
	id := page.Eval(t, `document.querySelector('li').textContent`)
	eventually(t, "two renewals", func() bool { return i.renewals() >= 2 })
	send(2)
	if got := page.Eval(t, `document.querySelector('li:last-child').textContent`); got != id || n.connected("ada") != 1 {
		t.Errorf("%q and %q, %d sessions: the connection did not stay", id, got, n.connected("ada"))
	}

	n.link.Cut()
	page.Wait(t, `document.querySelector('p')?.textContent === 'reconnecting'`)
	n.link.Mend()
	send(3)

	page.Eval(t, `logOut()`)
	n.link.Cut()
	n.link.Mend()
	page.Wait(t, `document.querySelector('button').textContent === 'Log in' && document.querySelector('p').textContent === ''`)
	page.Eval(t, `document.querySelector('button').click()`)
	send(4)

	page.Eval(t, `document.querySelectorAll('button')[1].click()`)
	page.Wait(t, `document.querySelector('button').textContent === 'Log in' && document.querySelector('p').textContent === ''`)
	eventually(t, "the session ends with the logout", func() bool { return n.connected("ada") == 0 })
	page.Eval(t, `document.querySelector('button').click()`)
	send(5)

	for s := range n.registry.Sessions(socketio.Filter{Subject: "ada"}) {
		s.End(&verifier.UnauthorizedError{Code: "blocked", Message: "this account is blocked", Reason: verifier.ErrRejected})
	}
	page.Wait(t, `document.querySelector('p').textContent === 'this account is blocked'`)
	page.Eval(t, `document.querySelector('button').click()`)
	send(6)

	page.Eval(t, `leave()`)
	eventually(t, "the session ends with the component", func() bool { return n.connected("ada") == 0 })
	i.check(t, false)
}

// TestReactLint: the linter of a new Vite project has nothing to say about the recipe, the
// helper and the pages with Auth0's SDK. The project is made as docs/cookbook.md makes it.
func TestReactLint(t *testing.T) {
	dir := t.TempDir()
	installed := installReact(t)
	modules := filepath.Join(installed, "node_modules")
	if out, err := runNode(dir, filepath.Join(modules, "create-vite", "index.js"), "web", "--template", "react", "--no-interactive"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	source := filepath.Join(dir, "web", "src")
	writeRecipe(t, source)
	code := regexp.MustCompile("(?ms)^```jsx?(?: |\n// )(\\w+\\.jsx?)\n(.*?)^```$")
	for _, m := range code.FindAllStringSubmatch(recipe(t)+section(t, "client.md", "With Auth0's SDK"), -1) {
		write(t, filepath.Join(source, m[1]), []byte(m[2]))
	}
	for _, name := range []string{"login.js", "token.js", "page.js", "app.jsx"} {
		if _, err := os.Stat(filepath.Join(source, name)); err != nil {
			t.Error(err)
		}
	}
	lint := func() (string, error) {
		return runNode(filepath.Join(dir, "web"), filepath.Join(modules, "oxlint", "bin", "oxlint"), "--deny-warnings")
	}
	if out, err := lint(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	write(t, filepath.Join(source, "unused.mjs"), []byte("try { close(); } catch (error) { stop(); }\n"))
	if out, err := lint(); err == nil || !strings.Contains(out, "no-unused-vars") {
		t.Errorf("the linter does not see an unused parameter: %v\n%s", err, out)
	}
}

func installReact(t *testing.T) (dir string) {
	t.Helper()
	dir, err := npm.Install("react", reactPackage, reactLock)
	npm.Check(t, err)
	return dir
}

// runNode runs a script and returns its output.
func runNode(dir string, args ...string) (string, error) {
	cmd := exec.Command("node", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func recipe(t *testing.T) string {
	t.Helper()
	return section(t, "cookbook.md", "Renewal in a React page")
}

func section(t *testing.T, page, heading string) string {
	t.Helper()
	text, _, _ := strings.Cut(after(t, page, "\n## "+heading+"\n"), "\n## ")
	return text
}

// writeRecipe writes the recipe's components and the helper.
func writeRecipe(t *testing.T, dir string) {
	t.Helper()
	blocks := regexp.MustCompile("(?ms)^```jsx (\\w+\\.jsx)\n(.*?)^```$").FindAllStringSubmatch(recipe(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("the recipe has %d files, want 2", len(blocks))
	}
	for _, block := range blocks {
		write(t, filepath.Join(dir, block[1]), []byte(block[2]))
	}
	write(t, filepath.Join(dir, "client.mjs"), clientjs.Module())
}

// reactPage bundles the recipe and serves it.
func reactPage(t *testing.T) http.Handler {
	t.Helper()
	installed, dir := installReact(t), t.TempDir()
	writeRecipe(t, dir)
	for _, name := range []string{"main.jsx", "login.js"} {
		content, err := os.ReadFile(filepath.Join("testdata", "react", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), content)
	}
	if err := npm.Bundle(installed, dir); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bundle.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(dir, "bundle.js")) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><meta charset="utf-8"><title>React</title><link rel="icon" href="data:,"><div id="root"></div><script src="/bundle.js"></script>`)
	})
	return mux
}
