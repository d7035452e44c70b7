package providers

import (
	"context"
	"testing"
	"time"

	"github.com/dexidp/dex/server"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

// kilgore is the subject of the user of dex's mock connector: a protocol buffer of the
// user and the connector.
const kilgore = "Cg0wLTM4NS0yODA4OS0wEgRtb2Nr"

// dex is a server of dex with its mock connector.
type dex struct {
	*authority
	*front
	t       testing.TB
	issuer  string
	storage storage.Storage
}

func startDex(t testing.TB) *dex {
	t.Helper()
	d := &dex{authority: newAuthority(t), t: t, storage: memory.New(quiet)}
	d.front = d.authority.front(t)
	d.issuer = d.origin + "/dex"
	for _, id := range []string{"web", "other"} {
		if err := d.storage.CreateClient(t.Context(), storage.Client{ID: id, Name: id, Secret: "secret", RedirectURIs: []string{callback}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.storage.CreateConnector(t.Context(), storage.Connector{ID: "mock", Type: "mockCallback", Name: "mock"}); err != nil {
		t.Fatal(err)
	}
	d.run()
	return d
}

// run starts a server with what is stored. A server makes a new key as it starts, if the
// time of the one before is over.
func (d *dex) run() {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d.t.Cleanup(cancel)
	refresh := must[*server.RefreshTokenPolicy](d.t)(server.NewRefreshTokenPolicy(quiet, false, "", "720h", ""))
	d.set(must[*server.Server](d.t)(server.NewServer(ctx, server.Config{
		Issuer: d.issuer, Storage: d.storage, SkipApprovalScreen: true, IDTokensValidFor: time.Hour, RefreshTokenPolicy: refresh, Logger: quiet,
	})))
}

func (d *dex) rotate(withdraw bool) {
	d.t.Helper()
	err := d.storage.UpdateKeys(func(k storage.Keys) (storage.Keys, error) {
		k.NextRotation = time.Time{}
		if withdraw {
			k.SigningKeyPub, k.VerificationKeys = nil, nil
		}
		return k, nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.run()
}

func (d *dex) code(client string) tokens {
	d.t.Helper()
	return ask(d.t, asking{Grant: "code", Issuer: d.issuer, ID: client, Secret: "secret", Scope: "openid offline_access groups"})
}

// verifier makes one as docs/providers.md has it.
func (d *dex) verifier(keys verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier {
	d.t.Helper()
	return must[*verifier.Verifier](d.t)(verifier.New(keys, append(options, verifier.Audience("web"), verifier.ClaimIncludes("groups", "authors"))...))
}

func (d *dex) rows() provider {
	return provider{
		authority: d.authority, issuer: d.issuer, subject: kilgore, verifier: d.verifier,
		token: func() string { return d.code("web").Access }, rotate: d.rotate, stop: d.stop, start: d.start,
	}
}

// TestDex: the access token is accepted. The ID token is too: dex's access tokens are ID
// tokens, and nothing in them tells the two apart.
func TestDex(t *testing.T) {
	t.Parallel()
	d := startDex(t)
	url := serve(t, d.verifier(d.keys(t, d.issuer)))
	got := d.code("web")
	accepted(t, url, got.Access, kilgore).Close(t)
	accepted(t, url, got.ID, kilgore).Close(t)
	refused(t, "a refresh token", url, got.Refresh, verifier.ErrTokenMalformed)
	refused(t, "a token for another client", url, d.code("other").Access, verifier.ErrAudienceMismatch)
	refused(t, "an expired token", serve(t, d.verifier(d.keys(t, d.issuer), expired())), got.Access, verifier.ErrTokenExpired)
	refreshed := ask(t, asking{Grant: "refresh", Issuer: d.issuer, ID: "web", Secret: "secret", Token: got.Refresh})
	accepted(t, url, refreshed.Access, kilgore).Close(t)
}

func TestDexRotates(t *testing.T) { t.Parallel(); rotates(t, startDex(t).rows()) }

func TestDexSlow(t *testing.T) { t.Parallel(); slow(t, startDex(t).rows()) }

// TestDexIntrospection: dex calls a refresh token active and says in token_use what it
// is. It is refused.
func TestDexIntrospection(t *testing.T) {
	t.Parallel()
	d := startDex(t)
	asked := must[*introspection.Client](t)(introspection.New(d.issuer+"/token/introspect", introspection.ClientSecret("web", "secret"),
		introspection.HTTPClient(d.client), introspection.WithLogger(quiet)))
	url := serve(t, must[*verifier.Verifier](t)(verifier.NewOpaque(asked, verifier.Audience("web"))))
	got := d.code("web")
	accepted(t, url, got.Access, kilgore).Close(t)
	refused(t, "a refresh token", url, got.Refresh, verifier.ErrTypeMismatch)
}
