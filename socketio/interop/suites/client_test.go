package suites

import (
	"bytes"
	_ "embed"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
)

// The tests of socket.io-client 4.8.3.
var socketioClient = source{
	repository: "socketio/socket.io",
	commit:     "e9e5bed4f2df269d228573325f25e10ec9dee6f3", // the tag socket.io-client@4.8.3
	folder:     "packages/socket.io-client/test",
	digest:     "74dea416baa673de0930270f8a9ad9c4",
	variable:   "SOCKETIO_SOURCE",
}

var (
	//go:embed client/package.json
	clientPackage []byte
	//go:embed client/package-lock.json
	clientLock []byte
	//go:embed client/setup.js
	setupScript []byte
)

// clientCases is how many cases the suite has on Node.
const clientCases = 111

// clientDiffers are the cases that fail on the servers of package googollee, and why.
var clientDiffers = map[string]string{
	"connection state recovery should have an accessible socket id equal to the server-side socket id (default namespace)": "go-socket.io has no connection state recovery",
}

// TestSocketIOClientSuite runs the suite of socket.io-client against three servers:
// socket.io for Go by itself, without authentication; package zishang; package
// googollee. The last two accept only clients that present a token. Package zishang
// must not fail a case that the library passes.
func TestSocketIOClientSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite of socket.io-client takes a minute")
	}
	files := socketioClient.files(t)
	dir, err := npm.Install("suite-client", clientPackage, clientLock)
	npm.Check(t, err)
	failures := make(map[string]map[string]string)
	for _, s := range suiteServers {
		t.Run(s.name, func(t *testing.T) {
			failures[s.name] = runClientSuite(t, dir, files, s.start)
			t.Logf("fails %d of %d cases", len(failures[s.name]), clientCases)
			for _, name := range slices.Sorted(maps.Keys(failures[s.name])) {
				t.Logf("%s: %s", name, failures[s.name][name])
			}
		})
	}
	if len(failures) < len(suiteServers) {
		return // -run chose some, or one ran into an error
	}
	for name, why := range failures["package zishang"] {
		if _, ok := failures["the library"][name]; !ok {
			t.Errorf("package zishang fails a case that the library passes: %s: %s", name, why)
		}
	}
	for name, why := range failures["package googollee"] {
		if clientDiffers[name] == "" {
			t.Errorf("package googollee: %s: %s", name, why)
		}
	}
	for name := range clientDiffers {
		if _, ok := failures["package googollee"][name]; !ok {
			t.Errorf("package googollee passes %q: take it off the list", name)
		}
	}
}

// runClientSuite runs the suite against a server and returns the messages of the cases
// that failed, by name. A case that fails is tried twice more, since the suite has time
// limits of 50 and 100 ms.
func runClientSuite(t *testing.T, dir string, files map[string][]byte, start func(*testing.T) http.Handler) map[string]string {
	t.Helper()
	address := listen(t, delayed(start(t)))
	// A copy of the installed client with its tests inside, as in its repository: they
	// load ".." and "../build".
	suite := runFolder(t, dir)
	if err := os.CopyFS(suite, os.DirFS(filepath.Join(dir, "node_modules", "socket.io-client"))); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		write(t, suite, "test/"+name, bytes.ReplaceAll(content, []byte("localhost:3210"), []byte(address)))
	}
	write(t, suite, "setup.js", setupScript)
	failures, ran := mocha(t, dir, suite, []string{"--import=tsx"}, "--require", "./setup.js", "--timeout", "5000", "--retries", "2", "test/index.ts")
	if ran != clientCases {
		t.Fatalf("the suite ran %d cases: expected %d", ran, clientCases)
	}
	return failures
}

// delayed answers each handshake after 10 ms, as the suite's own server does: some
// cases expect that a client with a time limit of 0 gives up first.
func delayed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("sid") {
			time.Sleep(10 * time.Millisecond)
		}
		h.ServeHTTP(w, r)
	})
}
