// Package suites runs the test suites of other projects against servers of this
// module. No file of theirs is in the repository: a test fetches them, and skips with
// a message where the network does not allow that.
package suites
