package jsclient

import (
	_ "embed"
	"path/filepath"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
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

// Install installs the clients and returns the folder that has them in its
// node_modules, as sio1, sio2 and sio4: for tests that run their own scripts.
// Without Node the test is skipped, or fails if CI is true.
func Install(t testing.TB) string {
	t.Helper()
	driver, err := install()
	npm.Check(t, err)
	return filepath.Dir(driver)
}

// install makes the clients and the driver available and returns the driver's path.
func install() (string, error) {
	dir, err := npm.Install("clients", packageJSON, packageLock)
	if err != nil {
		return "", err
	}
	return npm.Script(dir, "driver.js", driverJS)
}
