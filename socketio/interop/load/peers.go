package main

import _ "embed"

var (
	//go:embed peers/package.json
	peersPackage []byte
	//go:embed peers/package-lock.json
	peersLock []byte
	//go:embed peers/server.js
	peersServer []byte
	//go:embed peers/clients.js
	peersClients []byte
)

// peerFiles is what the servers in Node are installed from. To change a version,
// edit package.json and run "npm install --package-lock-only" beside it; the
// .npmrc there keeps the registry's address out of the lock file.
var peerFiles = map[string][]byte{"package.json": peersPackage, "package-lock.json": peersLock, "server.js": peersServer, "clients.js": peersClients}
