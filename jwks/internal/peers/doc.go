// Package peers holds package jwks beside other clients of key sets against hostile and
// unusual endpoints. It is a separate module, so that users of the library do not inherit
// its dependencies.
package peers
