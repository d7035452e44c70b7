// Package benchmarks measures verification beside other libraries, on the same
// tokens and in the same run. It is a module of its own, so that who uses
// package verifier does not inherit them. What it measured, and how to repeat
// it, is in docs/benchmarks.md.
package benchmarks
