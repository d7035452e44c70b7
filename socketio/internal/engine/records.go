package engine

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"
)

// recordSeparator stands between the packets of an Engine.IO 4 payload.
const recordSeparator = 0x1e

// decodeRecords reads the body of an Engine.IO 4 polling POST.
func decodeRecords(body []byte, binary bool, _ *textEncoding) ([]frame, error) {
	if binary || !utf8.Valid(body) {
		return nil, errRecords
	}
	var frames []frame
	for record := range bytes.SplitSeq(body, []byte{recordSeparator}) {
		f, err := recordFrame(record)
		if err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// recordFrame reads an Engine.IO 4 packet in text form.
func recordFrame(b []byte) (frame, error) {
	if text, ok := bytes.CutPrefix(b, []byte{'b'}); ok {
		return base64Frame(text)
	}
	return textFrame(b)
}

// rawFrame reads an Engine.IO 4 packet in binary form: all of it is the message.
func rawFrame(b []byte) (frame, error) { return frame{typeMessage, true, b}, nil }

// appendRecords encodes messages as the body of an Engine.IO 4 poll's answer,
// which is always text.
func appendRecords(dst []byte, batch []message, _ bool) (body []byte, binary bool) {
	for i := range batch {
		if i > 0 {
			dst = append(dst, recordSeparator)
		}
		dst = append(dst, batch[i].text...)
		for _, a := range batch[i].attachments {
			dst = append(append(dst, recordSeparator), base64Record(a)...)
		}
	}
	return dst, false
}

// base64Record is an attachment in an Engine.IO 4 payload.
func base64Record(a []byte) []byte {
	return base64.StdEncoding.AppendEncode([]byte{'b'}, a)
}
