package verifier

// check finds options that contradict each other.
func (c *config) check() error { return nil }

// claim returns the JSON text of the named claim; ok is false if the token has
// none, or null in its place.
func (t *Token) claim(name string) (text string, ok bool) {
	o := newObject(t.payload)
	for o.next() {
		if o.name == name {
			text, ok = o.value, o.value != "null"
		}
	}
	return text, ok && o.err == nil
}
