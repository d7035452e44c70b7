// Package npm installs packages of npm for the tests and examples of this module
// that run JavaScript. It promises no compatibility.
package npm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ErrNoNode says that there is no Node.js on this machine.
var ErrNoNode = errors.New("node and npm are needed (Debian: apt-get install nodejs npm)")

// Check skips a test where err says that there is no Node.js, unless CI is true, and
// fails it on any other error.
func Check(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrNoNode) && os.Getenv("CI") != "true":
		t.Skipf("%v; skipped", err)
	default:
		t.Fatal(err)
	}
}

// Install runs npm ci with a package.json and its lock file, once for all programs
// of this module, and returns the folder that has node_modules. Several programs may
// get here at once: each works in its own folder and the first to rename it wins.
func Install(name string, packageJSON, packageLock []byte) (dir string, err error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: %v", ErrNoNode, err)
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, name+"-"+digest(packageJSON, packageLock))
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if err := install(cache, dir, packageJSON, packageLock); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// Script puts a script into a folder of [Install], where its require finds the
// packages, and returns its path. A change to it does not touch the packages.
func Script(dir, name string, content []byte) (path string, err error) {
	stem, ext, _ := strings.Cut(name, ".")
	path = filepath.Join(dir, stem+"-"+digest(content)+"."+ext)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return path, writeAtomically(path, content)
	}
	return path, nil
}

// Bundle bundles main.jsx of a folder into its bundle.js, with the packages of a folder of
// [Install], which esbuild is one of. A warning of esbuild is an error.
func Bundle(installed, dir string, options ...string) error {
	modules := filepath.Join(installed, "node_modules")
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		return err
	}
	cmd := exec.Command("node", append([]string{filepath.Join(modules, "esbuild", "bin", "esbuild"), "main.jsx", "--bundle",
		"--jsx=automatic", "--outfile=bundle.js", "--log-level=warning", `--define:process.env.NODE_ENV="development"`}, options...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil && len(out) > 0 {
		err = errors.New("there is a warning")
	}
	if err != nil {
		return fmt.Errorf("esbuild: %w\n%s", err, out)
	}
	return nil
}

func install(cache, dir string, packageJSON, packageLock []byte) error {
	work, err := os.MkdirTemp(cache, "installing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for name, content := range map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock} {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o644); err != nil {
			return err
		}
	}
	npm := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
	npm.Dir = work
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	if err := os.Rename(work, dir); err != nil {
		if _, statErr := os.Stat(dir); statErr == nil {
			return nil // another test binary was first
		}
		return err
	}
	return nil
}

// cacheDir is socketio/interop/.cache of this module, found from the folder in
// which go test runs a package's tests.
func cacheDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		interop := filepath.Join(dir, "socketio", "interop")
		if _, err := os.Stat(filepath.Join(interop, "jsclient", "package-lock.json")); err == nil {
			cache := filepath.Join(interop, ".cache")
			return cache, os.MkdirAll(cache, 0o755)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the tests do not run inside the module: no socketio/interop above the working directory")
		}
		dir = parent
	}
}

func writeAtomically(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "writing-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, which is fine
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
