package suites

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
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
		files, err = s.fetch()
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

func (s source) fetch() (map[string][]byte, error) {
	client := http.Client{Timeout: 2 * time.Minute}
	answer, err := client.Get(fmt.Sprintf("https://codeload.github.com/%s/tar.gz/%s", s.repository, s.commit))
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
