package engine

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"unicode/utf8"
)

// The packet types of Engine.IO, as they stand in text.
const (
	typeOpen    = '0'
	typeClose   = '1'
	typePing    = '2'
	typePong    = '3'
	typeMessage = '4'
	typeUpgrade = '5'
	typeNoop    = '6'

	// typeTooLarge marks, inside the engine, the beginning of a packet that was
	// larger than allowed.
	typeTooLarge = 'L'
)

// frame is one Engine.IO packet: its type and its content.
type frame struct {
	kind   byte
	binary bool
	data   []byte
}

// message is a unit of output: an Engine.IO packet in text, with its type, and the
// attachments, which must follow it directly.
type message struct {
	text        []byte
	attachments [][]byte
}

// websocketPing is a ping frame of a websocket: the message without text.
var websocketPing = message{}

// size is the size of a message in the outbound queue. The constant covers the
// bookkeeping, so that empty messages count too.
func (m *message) size() int {
	n := len(m.text) + 64
	for _, a := range m.attachments {
		n += len(a) + 64
	}
	return n
}

var (
	errPayload = errors.New("expected lengths and packets in the polling payload")
	errRecords = errors.New("expected packets and separators in the polling payload")
	errFrame   = errors.New("expected a packet type from 0 to 6")
	errBase64  = errors.New("expected base64 in a binary packet")
)

// textFrame reads an Engine.IO packet in text form.
func textFrame(b []byte) (frame, error) {
	if text, ok := bytes.CutPrefix(b, []byte{'b', typeMessage}); ok {
		return base64Frame(text)
	}
	if len(b) == 0 || b[0] < typeOpen || b[0] > typeNoop {
		return frame{}, errFrame
	}
	return frame{b[0], false, b[1:]}, nil
}

// base64Frame reads a binary message in base64.
func base64Frame(text []byte) (frame, error) {
	data, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return frame{}, errBase64
	}
	return frame{typeMessage, true, data}, nil
}

// binaryFrame reads an Engine.IO packet in binary form: only messages have one.
func binaryFrame(b []byte) (frame, error) {
	if len(b) == 0 || b[0] != typeMessage-'0' {
		return frame{}, errFrame
	}
	return frame{typeMessage, true, b[1:]}, nil
}

// decodePayload reads the body of a polling POST. encoding remembers how the
// client of this session encodes text.
func decodePayload(body []byte, binary bool, encoding *textEncoding) ([]frame, error) {
	if len(body) == 0 {
		return nil, errPayload
	}
	if binary {
		return decodeBinaryPayload(body)
	}
	return decodeTextPayload(body, encoding)
}

func decodeBinaryPayload(body []byte) ([]frame, error) {
	var frames []frame
	for len(body) > 0 {
		isBinary := body[0] == 1
		if body[0] > 1 {
			return nil, errPayload
		}
		end := bytes.IndexByte(body, 255)
		// Nine digits are beyond any limit, and cannot overflow.
		if end < 2 || end > 10 {
			return nil, errPayload
		}
		n := 0
		for _, d := range body[1:end] {
			if d > 9 {
				return nil, errPayload
			}
			n = n*10 + int(d)
		}
		body = body[end+1:]
		if n > len(body) {
			return nil, errPayload
		}
		read := textFrame
		if isBinary {
			read = binaryFrame
		}
		f, err := read(body[:n:n]) // what appends to an attachment must not change the next
		if err != nil {
			return nil, err
		}
		frames = append(frames, f)
		body = body[n:]
	}
	return frames, nil
}

func decodeTextPayload(body []byte, encoding *textEncoding) ([]frame, error) {
	if !utf8.Valid(body) {
		return nil, errPayload
	}
	ascii := isASCII(body)
	var frames []frame
	for len(body) > 0 {
		digits := countDigits(body)
		if digits == 0 || digits > 9 || digits == len(body) || body[digits] != ':' {
			return nil, errPayload
		}
		n, _ := strconv.Atoi(string(body[:digits]))
		body = body[digits+1:]
		if !ascii {
			n = utf16Prefix(body, n)
		}
		if n < 0 || n > len(body) {
			return nil, errPayload
		}
		text := body[:n]
		if !ascii {
			text = encoding.decode(text)
		}
		f, err := textFrame(text)
		if err != nil {
			return nil, err
		}
		frames = append(frames, f)
		body = body[n:]
	}
	return frames, nil
}

// utf16Prefix gives the number of bytes that the first n UTF-16 units of b
// take, or -1 if b is shorter or a unit splits a character.
func utf16Prefix(b []byte, n int) int {
	i := 0
	for n > 0 {
		if i >= len(b) {
			return -1
		}
		r, size := utf8.DecodeRune(b[i:])
		i += size
		n--
		if r >= 0x10000 {
			n--
		}
	}
	if n < 0 {
		return -1
	}
	return i
}

// appendPayload encodes messages as the body of a poll's answer, and reports whether it is
// binary. All text is ASCII, so that its length in bytes, characters and UTF-16 units is
// the same.
func appendPayload(dst []byte, batch []message, b64 bool) (body []byte, binary bool) {
	if !b64 {
		for i := range batch {
			if len(batch[i].attachments) > 0 {
				binary = true
				break
			}
		}
	}
	if binary {
		for i := range batch {
			dst = appendBinaryPacket(dst, 0, batch[i].text)
			for _, a := range batch[i].attachments {
				dst = appendBinaryPacket(dst, 1, []byte{typeMessage - '0'}, a)
			}
		}
		return dst, true
	}
	for i := range batch {
		dst = appendTextPacket(dst, batch[i].text)
		for _, a := range batch[i].attachments {
			dst = appendTextPacket(dst, base64Packet(a))
		}
	}
	return dst, false
}

// base64Packet is an attachment for a client that cannot take binary.
func base64Packet(a []byte) []byte {
	return base64.StdEncoding.AppendEncode([]byte{'b', typeMessage}, a)
}

func appendTextPacket(dst, text []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(text)), 10)
	dst = append(dst, ':')
	return append(dst, text...)
}

func appendBinaryPacket(dst []byte, kind byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = append(dst, kind)
	for _, d := range strconv.AppendInt(nil, int64(n), 10) {
		dst = append(dst, d-'0')
	}
	dst = append(dst, 255)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}
