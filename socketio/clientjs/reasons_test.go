package clientjs_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio/clientjs"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/npm"
)

// outcome says what the helper does with a refusal: in the handshake, on a live session that
// it did not renew, and as the answer to a renewal.
type outcome struct{ handshake, session, renewal string }

var (
	// The same token may be accepted later.
	later = outcome{"retry", "retry", "renew"}
	// Another token of the same login may be accepted.
	newToken = outcome{"retry", "retry", "renew"}
	// The session has ended, and another token may be accepted.
	newSession = outcome{"retry", "retry", "retry"}
	// Only a login or another client helps.
	login = outcome{"stop", "stop", "stop"}
)

// decisions has a line for each row of "What each reason means" in docs/operations.md, which
// a test compares with the code. Those in retryable come with retryable true.
var (
	decisions = map[string]outcome{
		"token_expired": newSession, "token_inactive": newSession, "key_withdrawn": newSession,
		"token_not_active": newToken, "max_age_exceeded": newToken, "ticket_invalid": newToken,
		"authentication_timeout": newToken, "too_many_attempts": newToken,

		"token_revoked": login, "session_limit": login,

		"token_missing": login, "token_conflict": login, "token_malformed": login, "token_too_long": login,
		"algorithm_not_allowed": login, "signature_invalid": login, "key_not_found": login, "type_mismatch": login,
		"header_mismatch": login, "lifetime_exceeded": login, "audience_mismatch": login, "issuer_mismatch": login,
		"subject_mismatch": login, "token_id_mismatch": login, "nonce_mismatch": login, "claim_invalid": login,
		"claim_mismatch": login, "insufficient_scope": login, "token_bound": login, "rejected": login,
		"identity_mismatch": login, "forbidden": login, "cross_origin": login, "server_error": login,
		"dpop_proof_missing": login, "dpop_proof_invalid": login, "dpop_proof_replayed": login,
		"dpop_key_mismatch": login, "dpop_scheme_mismatch": login, "token_not_bound": login,
		"certificate_missing": login, "certificate_invalid": login, "certificate_mismatch": login,
	}
	retryable = map[string]outcome{
		"session_expired": newSession, "server_restarting": newSession, "session_limit": newSession,
		"keys_unavailable": later, "too_many_pending": later, "revocations_unavailable": later, "presence_unavailable": later,
		"ticket_unavailable": later, "use_dpop_nonce": later, "dpop_unavailable": later,
		"rejected": later, "forbidden": later, "authentication_timeout": later, "too_many_attempts": later,
	}
)

type refusal struct {
	Reason    string `json:"reason"`
	Retryable bool   `json:"retryable"`
}

// TestDecisions: the helper does with each reason of the code what is decided here. A new
// reason fails the test until it has a decision.
func TestDecisions(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		npm.Check(t, npm.ErrNoNode)
	}
	want := make(map[refusal]outcome)
	for reason, o := range decisions {
		want[refusal{reason, false}] = o
	}
	for reason, o := range retryable {
		want[refusal{reason, true}] = o
	}
	left := len(want)
	for reason, retry := range reasons(t) {
		for retryable, elsewhere := range map[bool]string{false: "yes", true: "no"} {
			_, decided := want[refusal{reason, retryable}]
			if decided {
				left--
			}
			if decided != (retry != elsewhere) {
				t.Errorf("%s: operations.md says %q to a retry; decided for retryable %t: %t", reason, retry, retryable, decided)
			}
		}
	}
	if left != 0 {
		t.Errorf("%d decisions are about reasons that are not in operations.md", left)
	}
	got := outcomes(t, slices.Collect(maps.Keys(want)))
	for r, o := range want {
		if got[r] != o {
			t.Errorf("%+v: the helper does %q, want %q", r, got[r], o)
		}
	}
}

// outcomes runs the helper with refusals and returns what it does with each.
func outcomes(t *testing.T, refusals []refusal) map[refusal]outcome {
	t.Helper()
	script, err := os.ReadFile("testdata/reasons.mjs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"reasons.mjs": script, "client.mjs": clientjs.Module()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	input, err := json.Marshal(refusals)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "reasons.mjs"))
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[refusal]outcome)
	for line := range strings.Lines(string(out)) {
		var got struct {
			refusal
			Handshake, Session, Renewal string
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		all[got.refusal] = outcome{got.Handshake, got.Session, got.Renewal}
	}
	return all
}

// reasons returns the reasons of docs/operations.md, and what it says about a retry: "yes",
// "no" or "both".
func reasons(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|.*\\|.*\\| (.+) \\|.*\\|$").FindAllStringSubmatch(after(t, "operations.md", "\n## What each reason means\n"), -1) {
		retry := m[2]
		if retry != "yes" && retry != "no" {
			retry = "both"
		}
		all[m[1]] = retry
	}
	if len(all) < 50 {
		t.Fatalf("operations.md has %d reasons: the search is broken", len(all))
	}
	return all
}

// after returns what follows a mark in a page of docs.
func after(t *testing.T, page, mark string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), mark)
	if !found {
		t.Fatalf("%s does not have %q", page, mark)
	}
	return rest
}

// TestListsOfReasons: the rules and the Python program of docs/client.md name the same
// reasons as the helper.
func TestListsOfReasons(t *testing.T) {
	word := regexp.MustCompile("['`](\\w+_\\w+)['`]")
	words := func(text, from, to string) (all []string) {
		_, text, found := strings.Cut(text, from)
		text, _, ended := strings.Cut(text, to)
		if !found || !ended {
			t.Fatalf("%q … %q was not found", from, to)
		}
		for _, m := range word.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return all
	}
	module := string(clientjs.Module())
	rules := after(t, "client.md", "\n## The rules\n")
	python := after(t, "client.md", "\n## Python\n")
	for name, lists := range map[string][3][]string{
		"new token": {words(module, "NEW_TOKEN_HELPS = [", "]"), words(rules, "connect again after the back-off |\n   | ", "|"), words(python, "NEW_TOKEN_HELPS = {", "}")},
		"ended":     {words(module, "SESSION_OVER = [", "]"), words(rules, "Any\n   `unauthorized` with ", "and any"), words(python, "SESSION_OVER = {", "}")},
	} {
		if len(lists[0]) < 5 || !slices.Equal(lists[0], lists[1]) || !slices.Equal(lists[0], lists[2]) {
			t.Errorf("%s: the helper has\n%q, the rules have\n%q, the Python program has\n%q", name, lists[0], lists[1], lists[2])
		}
	}
}
