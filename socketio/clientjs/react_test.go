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
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/browser"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
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
	page.Wait(t, `document.querySelector('button').textContent === 'Log in'`)
	page.Eval(t, `document.querySelector('button').click()`)
	send(4)

	page.Eval(t, `leave()`)
	eventually(t, "the session ends with the component", func() bool { return n.connected("ada") == 0 })
	i.check(t, false)
}

// reactPage bundles the recipe and serves it.
func reactPage(t *testing.T) http.Handler {
	t.Helper()
	installed, err := npm.Install("react", reactPackage, reactLock)
	npm.Check(t, err)
	dir := t.TempDir()
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	recipe := after(t, "cookbook.md", "\n## Renewal in a React page\n")
	blocks := regexp.MustCompile("(?ms)^```jsx (\\w+\\.jsx)\n(.*?)^```$").FindAllStringSubmatch(recipe, -1)
	if len(blocks) != 2 {
		t.Fatalf("the recipe has %d files, want 2", len(blocks))
	}
	for _, block := range blocks {
		write(block[1], []byte(block[2]))
	}
	for _, name := range []string{"main.jsx", "login.js"} {
		content, err := os.ReadFile(filepath.Join("testdata", "react", name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, content)
	}
	write("client.mjs", clientjs.Module())
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", filepath.Join(installed, "node_modules", "esbuild", "bin", "esbuild"), "main.jsx",
		"--bundle", "--jsx=automatic", "--outfile=bundle.js", "--log-level=warning", `--define:process.env.NODE_ENV="development"`)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("esbuild: %v\n%s", err, out)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bundle.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(dir, "bundle.js")) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><meta charset="utf-8"><title>React</title><link rel="icon" href="data:,"><div id="root"></div><script src="/bundle.js"></script>`)
	})
	return mux
}
