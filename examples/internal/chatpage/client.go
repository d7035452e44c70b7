package chatpage

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
)

// small is our small client, with what the pages use. It needs neither npm nor a network.
//
//go:embed small.js
var small []byte

// Client is a release of the JavaScript client. It serves its script, as every
// Socket.IO server does, if an npm install below or above the working directory has
// it. Otherwise it serves the small client.
type Client struct {
	Version string // "2.5.0"
	File    string // the script's place in the package
	ByEvent bool   // whether it authenticates by an event, after it has connected
}

// Version2 is the last client of the former protocol, Engine.IO 3.
var Version2 = Client{Version: "2.5.0", File: "dist/socket.io.js", ByEvent: true}

// Version4 is a client of the current protocol. It authenticates in the handshake.
var Version4 = Client{Version: "4.8.4", File: "dist/socket.io.min.js"}

// AuthenticatingByEvent is the client on a page that authenticates by event.
func (c Client) AuthenticatingByEvent() Client {
	c.ByEvent = true
	return c
}

// script is the path of the script beside that of another client.
func (c Client) script() string { return "/socket.io/" + c.Version + "/socket.io.js" }

func (c Client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	if path := c.installed(); path != "" {
		http.ServeFile(w, r, path)
		return
	}
	_, _ = w.Write(small)
}

// Installed reports whether the script is in an npm install.
func (c Client) Installed() bool { return c.installed() != "" }

// installed returns the path of the script where npm has put exactly this
// version, "" where it has not.
func (c Client) installed() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		for _, pattern := range []string{
			"node_modules/socket.io-client",
			"socketio/interop/.cache/clients-*/node_modules/sio*", // where the tests install the clients
		} {
			packages, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern))) // the patterns are well-formed
			for _, p := range packages {
				if c.is(p) {
					return filepath.Join(p, filepath.FromSlash(c.File))
				}
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// is reports whether the folder holds this version with its script.
func (c Client) is(folder string) bool {
	text, err := os.ReadFile(filepath.Join(folder, "package.json"))
	var manifest struct{ Version string }
	if err != nil || json.Unmarshal(text, &manifest) != nil || manifest.Version != c.Version {
		return false
	}
	_, err = os.Stat(filepath.Join(folder, filepath.FromSlash(c.File)))
	return err == nil
}
