// Package rawclient speaks Engine.IO 3 and 4 byte by byte, so that a test can say what
// no real client would. It knows nothing of Socket.IO and holds nothing back.
package rawclient
