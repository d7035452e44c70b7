package verifier

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// headerCache remembers decoded headers: an issuer sends the same segment again
// and again, and to read it costs as much as to allocate the token. Only headers
// whose signature held come in, so that who has no key can neither fill it nor
// push anything out; it holds as many as it has slots, each bounded in length.
// There is no lock: a slot is one pointer, and the seed of its hash is random.
type headerCache struct {
	seed  maphash.Seed
	slots [64]atomic.Pointer[cachedHeader]
}

type cachedHeader struct {
	segment string
	header  Header
}

// maxCachedHeader is the length in bytes above which a segment is not worth its
// memory.
const maxCachedHeader = 512

func (c *headerCache) slot(segment string) *atomic.Pointer[cachedHeader] {
	return &c.slots[maphash.String(c.seed, segment)%uint64(len(c.slots))]
}

// parse is parseHeader, from memory where it can.
func (c *headerCache) parse(segment string) (h Header, cached bool, err error) {
	if len(segment) <= maxCachedHeader {
		if known := c.slot(segment).Load(); known != nil && known.segment == segment {
			return known.header, true, nil
		}
	}
	h, err = parseHeader(segment)
	return h, false, err
}

// add remembers a header whose signature held.
func (c *headerCache) add(segment string, h Header) {
	if len(segment) <= maxCachedHeader {
		// A copy, since the segment is a part of a token.
		c.slot(segment).Store(&cachedHeader{strings.Clone(segment), h})
	}
}
