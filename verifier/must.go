package verifier

// Must returns v, and panics if err is not nil. It is for a program that cannot
// start with a wrong configuration, around any constructor that returns a value
// and an error:
//
//	secret := verifier.Must(keys.Secret(text))
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
