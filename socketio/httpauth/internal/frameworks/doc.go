// Package frameworks shows that package httpauth works in chi, gin and echo. It is a
// separate module so that nobody inherits them.
package frameworks
