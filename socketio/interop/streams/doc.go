// Package streams tests package zishang with the library's Redis streams adapter, which
// keeps sessions where every node finds them. It is a separate module, so that nobody
// else needs that adapter.
package streams
