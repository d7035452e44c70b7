package dpop

import (
	"context"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Header takes the token from the header "Authorization: DPoP <token>"
// (RFC 9449 §7.1; the scheme in any case). Another scheme is nothing here.
func Header() verifier.Extractor {
	return verifier.ExtractorFunc(func(_ context.Context, h *verifier.Handshake) (string, error) {
		scheme, token := authorization(h)
		if !strings.EqualFold(scheme, "dpop") {
			return "", nil
		}
		if token == "" || strings.Contains(token, " ") || len(h.Header["Authorization"]) > 1 {
			return "", &verifier.UnauthorizedError{
				Code: verifier.CodeCredentialsBadFormat, Message: "Format is Authorization: DPoP [token]", Reason: verifier.ErrTokenMalformed,
			}
		}
		return token, nil
	})
}

// Extractor is [verifier.DefaultExtractor] and [Header] together.
func Extractor() verifier.Extractor {
	return verifier.OneOf(Header(), verifier.DefaultExtractor())
}

// authorization returns the scheme and credentials of the header that counts, ""
// where there is none.
func authorization(h *verifier.Handshake) (scheme, credentials string) {
	if values := h.Header["Authorization"]; len(values) > 0 && !h.InBand {
		scheme, credentials, _ = strings.Cut(values[0], " ")
		credentials = strings.Trim(credentials, " ") // 1*SP (RFC 9110 §11.4)
	}
	return scheme, credentials
}
