package nginx_test

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestTLS: redirects, headers, and no token in any log, not even when no node answers.
func TestTLS(t *testing.T) {
	p := start(t, configuration(t, "tls"))
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	statuses, header := p.poll(t, client, "https://"+p.https, "20.0.0.1", nil)
	if !allOK(statuses) || header.Get("Strict-Transport-Security") == "" {
		t.Errorf("over TLS: %v, %v", statuses, header)
	}
	path := "/socket.io/?EIO=3&transport=polling&token=" + token()
	redirect := get(t, client, "http://"+p.http+path)
	if to := redirect.Header.Get("Location"); redirect.StatusCode != http.StatusMovedPermanently || strings.Contains(to, "token") || !strings.HasPrefix(to, "https://") {
		t.Errorf("over plain HTTP: %d to %q", redirect.StatusCode, to)
	}
	if r := get(t, client, "https://"+p.https+path, "Origin", "https://"+p.https); r.StatusCode != http.StatusOK {
		t.Errorf("a page of the same origin is answered %d", r.StatusCode)
	}
	if r := get(t, client, "https://"+p.https+path, "Origin", "https://elsewhere.example"); r.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another origin is answered %d", r.StatusCode)
	}
	// A bad token counts against the client's address, whatever header it sends.
	get(t, client, "https://"+p.https+path+"x", "X-Forwarded-For", "6.6.6.6", "X-Test-Address", "20.0.0.9")
	seen := map[string]bool{}
	for _, n := range p.nodes {
		for len(n.failures) > 0 {
			seen[<-n.failures] = true
		}
	}
	if !seen["20.0.0.9"] || seen["6.6.6.6"] {
		t.Errorf("failures are counted by %v", seen)
	}

	for _, n := range p.nodes {
		n.web.Close() // nobody answers any more
	}
	if r := get(t, client, "https://"+p.https+path); r.StatusCode != http.StatusBadGateway {
		t.Errorf("without nodes: %d", r.StatusCode)
	}
	p.Finish()
	checkLogs(t, p)
}

// get sends a request with headers: names and values in turn.
func get(t *testing.T, client *http.Client, url string, set ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(set); i += 2 {
		r.Header.Set(set[i], set[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}

// checkLogs expects that nginx logs requests, and no token.
func checkLogs(t *testing.T, p *proxy) {
	t.Helper()
	access := p.Log("chat.log")
	for _, status := range []string{"200", "301", "502"} {
		if !strings.Contains(access, `"GET /socket.io/" `+status) {
			t.Errorf("the access log lacks a line with %s:\n%s", status, access)
		}
	}
	files, err := filepath.Glob(filepath.Join(p.Dir, "*.log"))
	if err != nil || len(files) < 3 {
		t.Fatalf("log files %v, %v", files, err)
	}
	for _, f := range files {
		if log := p.Log(filepath.Base(f)); strings.Contains(log, "token=") || strings.Contains(log, "eyJ") {
			t.Errorf("%s has a token:\n%s", filepath.Base(f), log)
		}
	}
}
