package jsclient

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What npm installs. To change a version, edit package.json and run
// "npm install --package-lock-only" beside it; the .npmrc there keeps the
// registry's address out of the lock file.
var (
	//go:embed package.json
	packageJSON []byte
	//go:embed package-lock.json
	packageLock []byte
	//go:embed driver.js
	driverJS []byte
)

// errNoNode means that this machine cannot run the clients at all.
var errNoNode = errors.New("node and npm are needed to run the JavaScript clients")

// Install installs the clients and returns the folder that has them in its
// node_modules, as sio1, sio2 and sio4: for tests that run scripts of their own.
// Without Node the test is skipped, or fails if CI is true.
func Install(t testing.TB) string {
	t.Helper()
	driver, err := install()
	switch {
	case err == nil:
	case errors.Is(err, errNoNode) && os.Getenv("CI") != "true":
		t.Skipf("%v; skipped", err)
	default:
		t.Fatalf("install the JavaScript clients: %v", err)
	}
	return filepath.Dir(driver)
}

// install makes the clients and the driver available and returns the driver's
// path. Test binaries of several packages may get here at once: each works in a
// folder of its own and the first to rename it wins.
func install() (string, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%w: %v", errNoNode, err)
		}
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	clients := filepath.Join(cache, "clients-"+digest(packageJSON, packageLock))
	if _, err := os.Stat(clients); errors.Is(err, os.ErrNotExist) {
		err = installClients(cache, clients)
		if err != nil {
			return "", err
		}
	}
	// The driver lies beside node_modules, where its require looks. A change to
	// it does not touch the installed clients.
	driver := filepath.Join(clients, "driver-"+digest(driverJS)+".js")
	if _, err := os.Stat(driver); errors.Is(err, os.ErrNotExist) {
		if err := writeAtomically(driver, driverJS); err != nil {
			return "", err
		}
	}
	return driver, nil
}

func installClients(cache, clients string) error {
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
	if err := os.Rename(work, clients); err != nil {
		if _, statErr := os.Stat(clients); statErr == nil {
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
