package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"latchkey"
	"latchkey/admin"
)

// clientFlags are the settings of an application that have a flag. All others
// are members of --metadata.
type clientFlags struct {
	Name                  *string  `help:"What people know it as." placeholder:"NAME"`
	Type                  *string  `help:"web (a server, can keep a secret), spa (only in the browser), native (on a device) or machine (no person signs in)." placeholder:"TYPE"`
	RedirectURI           []string `name:"redirect-uri" sep:"none" help:"Where people return to after sign-in, letter by letter; may be repeated." placeholder:"URL"`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" sep:"none" help:"Where people may return to after sign-out; may be repeated." placeholder:"URL"`
	Group                 []string `sep:"none" help:"Only people of this group may sign in; may be repeated. Without any, everyone may." placeholder:"NAME"`
	FirstParty            bool     `negatable:"" help:"It is your own: people are not asked for consent."`
	Scope                 []string `sep:"none" help:"What it may ask for, separated by spaces; may be repeated." placeholder:"SCOPE"`
	AuthMethod            *string  `help:"How it proves itself: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none." placeholder:"METHOD"`
	JWKS                  string   `name:"jwks" help:"File with its public keys (JSON Web Key Set), for private_key_jwt." placeholder:"FILE"`
	JWKSURI               *string  `name:"jwks-uri" help:"Where its public keys are, instead of --jwks: latchkey fetches them." placeholder:"URL"`
	Profile               *string  `help:"Rules it lives by: oidc, or oauth21 (PKCE required)." placeholder:"PROFILE"`
	AccessTokenFormat     *string  `help:"Its access tokens: jwt, or opaque (only latchkey can read them)." placeholder:"FORMAT"`
	Metadata              string   `help:"File with RFC 7591 metadata (JSON); flags win over it." placeholder:"FILE"`
}

// clientFiles are the contents of the files that flags name; "" = none is named.
type clientFiles struct{ metadata, jwks string }

// read reads the files before root is given up.
func (f *clientFlags) read() (files clientFiles, err error) {
	for _, file := range []struct {
		flag, path, example string
		into                *string
	}{{"metadata", f.Metadata, "wiki.json", &files.metadata}, {"jwks", f.JWKS, "keys.json", &files.jwks}} {
		if file.path == "" {
			continue
		}
		if *file.into, err = readSmall(file.path); err != nil {
			return files, usageError{wrong(file.flag, err.Error(), file.example)}
		}
	}
	if f.JWKS != "" && f.JWKSURI != nil {
		return files, usageError{wrong("jwks", "and --jwks-uri exclude one another", "keys.json")}
	}
	if f.JWKS != "" && !json.Valid([]byte(files.jwks)) {
		return files, usageError{wrong("jwks", f.JWKS+" is not JSON", "keys.json")}
	}
	return files, nil
}

// keys puts the keys that flags name in the place of those that were there.
func (f *clientFlags) keys(c *latchkey.Client, jwks string) {
	switch {
	case f.JWKS != "":
		c.Protocol.JWKS, c.Protocol.JWKSURI = json.RawMessage(jwks), ""
	case f.JWKSURI != nil:
		c.Protocol.JWKS, c.Protocol.JWKSURI = nil, *f.JWKSURI
	}
}

// apply returns base changed by the metadata and then by the flags.
func (f *clientFlags) apply(base *latchkey.Client, files clientFiles, firstPartySaid bool) (*latchkey.Client, error) {
	next := *base
	if f.Metadata != "" {
		read, err := base.ApplyMetadata([]byte(files.metadata))
		if err != nil {
			return nil, err
		}
		next = *read
	}
	set(&next.Name, f.Name)
	set(&next.Type, f.Type)
	set(&next.AccessTokenFormat, f.AccessTokenFormat)
	if f.AuthMethod != nil {
		next.SetAuthMethod(*f.AuthMethod)
	}
	f.keys(&next, files.jwks)
	if f.Profile != nil {
		next.Profile = latchkey.Profile(*f.Profile)
	}
	if firstPartySaid {
		next.FirstParty = f.FirstParty
	}
	for _, list := range []struct {
		of    *[]string
		typed []string
	}{
		{&next.RedirectURIs, f.RedirectURI}, {&next.PostLogoutRedirectURIs, f.PostLogoutRedirectURI},
		{&next.AllowedGroups, f.Group}, {&next.Scopes, strings.Fields(strings.Join(f.Scope, " "))},
	} {
		if len(list.typed) > 0 {
			*list.of = list.typed
		}
	}
	return &next, nil
}

func set(value, typed *string) {
	if typed != nil {
		*value = *typed
	}
}

type clientCreateCmd struct {
	clientFlags
	ID         string `name:"id" help:"Client id of your own. Without it, one is made from the name." placeholder:"ID"`
	SecretFile string `help:"File with a secret of your own, of 128 random bits at least. Without it, one is made." placeholder:"FILE"`
}

// Run connects an application.
func (cmd *clientCreateCmd) Run(ctx context.Context, c *commands) error {
	files, err := cmd.read()
	if err != nil {
		return err
	}
	secret, err := readSecret(cmd.SecretFile)
	if err != nil {
		return err
	}
	wanted, err := cmd.apply(&latchkey.Client{ID: cmd.ID, Enabled: true}, files, cmd.FirstParty)
	if err != nil {
		return byFlag(err)
	}
	return c.withAdmin(ctx, func(ctx context.Context, s *admin.Service) error {
		made, err := s.CreateClient(ctx, wanted, secret)
		if err != nil {
			return byFlag(err)
		}
		return c.print(made.Document(), c.connected(made, secret != ""))
	})
}

// readSecret reads a secret of somebody's own; the line may end.
func readSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	content, err := readSmall(file)
	if err != nil {
		return "", usageError{wrong("secret-file", err.Error(), "wiki.secret")}
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(content, "\n"), "\r")
	if what := latchkey.SecretProblem(secret); what != "" {
		return "", byFlag(latchkey.InvalidFields(map[string]string{"client_secret": what}))
	}
	return secret, nil
}

type clientUpdateCmd struct {
	application
	clientFlags
	Everyone bool `help:"Let everyone sign in, whatever their groups."`
}

// Run changes an application.
func (cmd *clientUpdateCmd) Run(ctx context.Context, parsed *kong.Context, c *commands) error {
	files, err := cmd.read()
	if err != nil {
		return err
	}
	if cmd.Everyone && len(cmd.Group) > 0 {
		return usageError{wrong("everyone", "and --group exclude one another", "staff")}
	}
	firstParty := onCommandLine(parsed, "first-party")
	return c.withClient(ctx, cmd.application, func(ctx context.Context, s *admin.Service, found *latchkey.Client) error {
		next, err := cmd.apply(found, files, firstParty)
		if err != nil {
			return byFlag(err)
		}
		if cmd.Everyone {
			next.AllowedGroups = nil
		}
		changed, after, err := s.UpdateClient(ctx, next)
		if err != nil {
			return byFlag(err)
		}
		said := "Nothing was different."
		if len(changed) > 0 {
			said = "Changed: " + strings.Join(changed, ", ") + "."
		}
		if after.Secret != "" {
			said += "\n\nIts new secret is shown only now; those it had do not work with its method.\n\n" + facts("client secret", after.Secret)
		}
		return c.print(after.Document(), said+"\n\n"+c.described(after.Client))
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
