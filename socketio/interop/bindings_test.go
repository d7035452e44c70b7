package interop

// bindings are the packages that are held to the table.
var bindings []binding
