package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// plain maps phrases that readers stumble over to what to write instead. A match
// that has one of the words in except is fine.
var plain = []struct {
	phrase  *regexp.Regexp
	except  []string
	instead string
}{
	{phrase: phrase(`of (one's|its|their|his|our|your|the \w+'s) own`), instead: "its own X, a custom X, a separate X"},
	{phrase: phrase(`as (it was|they were)`), instead: "unchanged"},
	{phrase: phrase(`by hand`), instead: "manually; a hand-written check"},
	{phrase: phrase(`for want of|all the same|to the letter|in the place of`), instead: "without; still; exactly; instead of"},
	{phrase: phrase(`let(s|ting)? (\w+ ){0,2}in`), instead: "accept, admit"},
	{phrase: phrase(`held by a test|a test holds|which a test holds`), instead: "enforced by a test"},
	{phrase: phrase(`goodbyes?|farewells?`), instead: "disconnect packet, close reason"},
	{phrase: phrase(`(by|to|from|for|with|only|than|but|on|behind|of|in) who`), instead: "by clients that"},
	{phrase: phrase(`whoever`), instead: "any client that, everybody who"},
	{phrase: phrase(`makes? no sense`), instead: "is invalid"},
	{phrase: phrase(`no more( (than|often))?`), except: []string{"than", "often"}, instead: "no longer"},
	{phrase: phrase(`(there )?(is|are|was|were) no (\w+)`), except: []string{"longer", "more", "limit", "need", "there"}, instead: "is not a"},
	{phrase: phrase(`(can|could|cannot) be had|to be had`), instead: "is available"},
	{phrase: phrase(`amid`), instead: "during"},
	{phrase: phrase(`for ever`), instead: "forever, without end"},
	{phrase: phrase(`on (its|their|the) way`), instead: "in flight, in progress"},
	{phrase: phrase(`nobody else's|somebody else's`), instead: "another issuer's, another user's"},
	{phrase: phrase(`strangers?|newcomers?`), instead: "unauthenticated client, new client"},
	{phrase: phrase(`yet to authenticate`), instead: "not authenticated yet"},
	{phrase: phrase(`renews? nothing|stays? so|does not stay true`), instead: "cannot renew; remains"},
	{phrase: phrase(`too many or too few`), instead: "name the rule"},
	{phrase: phrase(`needs? \w+ alone|steps make one|nothing here is not|take it for anything`), instead: "requires only; name the steps; use it for"},
	{phrase: phrase(`(made|makes?|making) up`), instead: "fake, created"},
	{phrase: phrase(`waited longest|a moment ago|nor was|lets? go on`), instead: "the oldest; within the last five seconds; resumes"},
	{phrase: phrase(`(greets?|ends?|admits?|refuses?|asks?|tells?|resumes?|keeps?|accepts?) who`), instead: "verb, then: clients that"},
	{phrase: phrase(`what (becomes|became|came) of`), instead: "what happens to; the outcome"},
	{phrase: phrase(`(accepted|admitted) (nowhere|anywhere)|who (is|was) (accepted|admitted|gone|refused)`), instead: "a client in no namespace; a client that was refused"},
	{phrase: phrase(`(somebody|those|one|users?|tenants?|accepts|revokes|refuses|hears|ends) whom`), instead: "that, which"},
	{phrase: phrase(`in vain|but for (what|those|their|the|its|one|all)`), instead: "without success; except for"},
	{phrase: phrase(`rejects|rejecting|rejections?|(is|are|was|were|be|been|a|the|of|to|should|should have) rejected|(to|should|can|may) reject`), instead: "refuse: the one word for it"},
	{phrase: phrase(`(by|for|of|to) (\w+ ){1,2}alone|in (this|each|one|that) (\w+ )?alone`), except: []string{"library", "signature"}, instead: "only, before the word that it limits"},
	{phrase: phrase(`(OIDC|certificate|client|key|letter case|node|owner|part|scheme|server|spaces|standard library|token|value|it|what|which) alone`), instead: "only, before the word that it limits"},
	{phrase: phrase(`told apart|lest|as good as (absent|none|gone)|(one's|published|and|it|name) is none|are to be told`), instead: "distinguished; so that not; counts as; is not one"},
	{phrase: phrase(`ha(s|ve|ving) (it|them|(the|a|an|its) \w+) (taken|told|forgotten|looked|flooded|sent|read|refused|found)`), instead: "active voice: say who does it"},
}

func phrase(p string) *regexp.Regexp { return regexp.MustCompile(`(?i)\b(` + p + `)\b`) }

// private are words that this code once used for things that have a standard name.
var private = regexp.MustCompile(`(?i)pardon|farewell|goodbye|entitled|justnow|isbarred|^departs$|^dismissed$|^his$`)

// TestWords: prose, comments, texts and names are plain English. The files that are
// not yet are listed in testdata/words.txt.
func TestWords(t *testing.T) {
	found, why := make(map[string]int), make(map[string]string)
	note := func(name, what string) {
		found[name]++
		why[name] += "\n\t" + what
	}
	for name, text := range files(t, ".go", ".md", ".js", ".mjs", ".ts", ".jsx", ".html", ".css", ".yml", ".conf", ".py", ".txt", "") {
		if name == "docs/words_test.go" || strings.HasPrefix(name, "docs/testdata/words") || strings.Contains(name, "/testdata/fuzz/") {
			continue
		}
		texts := []string{text}
		if path.Ext(name) == ".go" {
			texts = prose(t, name, text, func(ident string) { note(name, "the name "+ident) })
		}
		for _, text := range texts {
			for _, found := range stumbles(text) {
				note(name, found)
			}
		}
	}
	ratchet(t, "words.txt", found, why)
}

var space = regexp.MustCompile(`\s+`)

// stumbles returns the phrases of a text that have a plainer form.
func stumbles(text string) (all []string) {
	text = space.ReplaceAllString(text, " ")
	for _, p := range plain {
		for _, m := range p.phrase.FindAllStringIndex(text, -1) {
			words := strings.Fields(text[m[0]:m[1]])
			if fine(words, p.except) {
				continue
			}
			from, to := max(0, m[0]-30), min(len(text), m[1]+30)
			all = append(all, fmt.Sprintf("…%s… (%s)", strings.ToValidUTF8(text[from:to], ""), p.instead))
		}
	}
	return all
}

var capital = regexp.MustCompile(`([a-z0-9])([A-Z])`)

func fine(words, except []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(except, strings.ToLower(w)) })
}

// prose returns the comments and strings of a Go file, and tells of private names.
func prose(t *testing.T, name, text string, named func(string)) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Comments {
		all = append(all, group.Text())
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				if s, err := strconv.Unquote(n.Value); err == nil {
					all = append(all, s)
				}
			}
		case *ast.FuncDecl:
			all = append(all, capital.ReplaceAllString(n.Name.Name, "$1 $2")) // TestFirstOf: Test First Of
		case *ast.Ident:
			if private.MatchString(n.Name) {
				named(n.Name)
			}
		}
		return true
	})
	return all
}
