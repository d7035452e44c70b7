package suites

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// source is a folder of another project's repository, at one commit.
type source struct {
	repository, commit string
	folder             string // in the repository
	digest             string // of its files
	variable           string // an environment variable that names a checkout
}

// files returns the files of the folder, by their paths in it. It reads the checkout
// that the environment names, or asks GitHub. It skips the test where neither is
// there, unless SUITES=required.
func (s source) files(t *testing.T) map[string][]byte {
	t.Helper()
	var files map[string][]byte
	var err error
	if dir := os.Getenv(s.variable); dir != "" {
		files, err = readFolder(filepath.Join(dir, s.folder))
	} else {
		files, err = s.fetch("https://codeload.github.com")
	}
	if err != nil {
		if os.Getenv("SUITES") == "required" || os.Getenv(s.variable) != "" {
			t.Fatal(err)
		}
		t.Skipf("the suite of %s cannot be fetched (set %s to a checkout of %s): %v", s.repository, s.variable, s.commit, err)
	}
	if got := digestOf(files); got != s.digest {
		t.Fatalf("the files of %s at %s have the digest %s: expected %s", s.repository, s.commit, got, s.digest)
	}
	return files
}

func readFolder(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	return files, filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(relative)], err = os.ReadFile(name)
		return err
	})
}

// mostBytes is how large an archive may be.
const mostBytes = 200 << 20

// fetch downloads the repository's archive from a host that has GitHub's addresses.
func (s source) fetch(host string) (map[string][]byte, error) {
	client := http.Client{Timeout: 2 * time.Minute}
	answer, err := client.Get(fmt.Sprintf("%s/%s/tar.gz/%s", host, s.repository, s.commit))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", answer.Request.URL, answer.Status)
	}
	unzipped, err := gzip.NewReader(io.LimitReader(answer.Body, mostBytes))
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for archive := tar.NewReader(unzipped); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		} else if err != nil {
			return nil, err
		}
		_, name, _ := strings.Cut(h.Name, "/") // the archive has one folder, named after the commit
		if name, ok := strings.CutPrefix(name, s.folder+"/"); ok && h.Typeflag == tar.TypeReg && path.Clean(name) == name && !strings.HasPrefix(name, "../") {
			if files[name], err = io.ReadAll(archive); err != nil {
				return nil, err
			}
		}
	}
}

func digestOf(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(files[name]))
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// TestFetch: the files of the folder are read from an archive as GitHub makes it, and
// nothing else is; an answer that is not such an archive is an error, for which the suites
// skip.
func TestFetch(t *testing.T) {
	archive := func(names ...string) []byte {
		var b bytes.Buffer
		zip := gzip.NewWriter(&b)
		files := tar.NewWriter(zip)
		for _, name := range names {
			if err := files.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(name))}); err != nil {
				t.Fatal(err)
			}
			if _, err := files.Write([]byte(name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(files.Close(), zip.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	good := archive("repo-abc/README.md", "repo-abc/test/a.js", "repo-abc/test/support/b.js", "repo-abc/tests/c.js", "repo-abc/test/../../d.js")
	mux := http.NewServeMux()
	serve := func(commit string, body []byte) {
		mux.HandleFunc("GET /some/repo/tar.gz/"+commit, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	}
	serve("abc", good)
	serve("page", []byte("<html>Please log in</html>"))
	serve("cut", good[:len(good)-20])
	server := httptest.NewServer(mux)
	defer server.Close()
	s := source{repository: "some/repo", commit: "abc", folder: "test"}
	files, err := s.fetch(server.URL)
	if want := []string{"a.js", "support/b.js"}; err != nil || !slices.Equal(slices.Sorted(maps.Keys(files)), want) {
		t.Errorf("got %v, %v: expected %v", slices.Sorted(maps.Keys(files)), err, want)
	}
	for commit, want := range map[string]error{"page": gzip.ErrHeader, "cut": io.ErrUnexpectedEOF} {
		s.commit = commit
		if _, err := s.fetch(server.URL); !errors.Is(err, want) {
			t.Errorf("%s: got %v: expected %v", commit, err, want)
		}
	}
	s.commit = "unknown"
	if _, err := s.fetch(server.URL); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("an unknown commit: got %v: expected 404", err)
	}
	server.Close()
	if _, err := s.fetch(server.URL); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without a network: got %v: expected a refused connection", err)
	}
}
