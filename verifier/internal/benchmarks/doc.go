// Package benchmarks measures verification beside other libraries, on the same
// tokens and in the same run. It is a separate module, so that users of package
// verifier do not inherit them. What it measured, and how to repeat it, is in
// docs/benchmarks.md.
package benchmarks
