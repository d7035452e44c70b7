package nginx_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/nginx"
)

// TestTryItOnOneMachine: nginx sends the two addresses of the page to the nodes that the page
// says, and to the other node if that one does not answer. The nodes need not run.
func TestTryItOnOneMachine(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "deployment.md"))
	if err != nil {
		t.Fatal(err)
	}
	nodes := regexp.MustCompile(`(?m)^    server (127\.0\.0\.1:\d+);$`).FindAllStringSubmatch(string(page), -1)
	says := regexp.MustCompile("`(127[.\\d]+)` reaches the first, and `(127[.\\d]+)` the second").FindStringSubmatch(string(page))
	if len(nodes) != 2 || says == nil {
		t.Fatalf("the page names the nodes %q and the addresses %q", nodes, says)
	}
	s, err := nginx.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	address, err := nginx.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer(
		"10.0.0.1:3000;", nodes[0][1]+" max_fails=0;", "10.0.0.2:3000;", nodes[1][1]+" max_fails=0;",
		"listen 80;", "listen "+address+";\nadd_header X-Nodes $upstream_addr always;",
		"include socketio.conf;", "",
	).Replace(configuration(t, "by-address"))
	err = s.Start(realIP+config, address)
	if errors.Is(err, nginx.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, from := range says[1:] {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/socket.io/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Test-Address", from)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if tried, want := answer.Header.Get("X-Nodes"), nodes[i][1]+", "+nodes[1-i][1]; tried != want {
			t.Errorf("for a client at %s nginx tries %s, want %s", from, tried, want)
		}
	}
}
