// Package jsclient drives the real JavaScript Socket.IO clients from Go tests:
// versions 1.7.4, 2.5.0 and 4.8.4, as npm installs them, in one Node process
// that lives as long as the test binary.
//
// [Start] gives the process, [Driver.Connect] one client in it, and the
// client's Expect methods wait for what it sees, without ever sleeping: a test
// that waits too long fails with everything the client has seen and done.
// [Driver.Storm] runs thousands of clients inside the process and answers with
// counts. A package that uses it stops the process when its tests are over:
//
//	func TestMain(m *testing.M) {
//		os.Exit(jsclient.Main(m))
//	}
//
// The clients are installed by npm ci on first use, into a folder that git
// ignores. Without Node a test is skipped; with CI=true in the environment it
// fails instead, so that a build cannot lose these tests unnoticed.
//
// The package serves the tests of this module and promises no compatibility.
package jsclient
