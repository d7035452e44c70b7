// Package frameworks shows that package httpauth works in chi, gin and echo. It is a
// module of its own so that nobody inherits them.
package frameworks
