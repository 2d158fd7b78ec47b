package oidc

import (
	"net/url"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
)

// level is what a request says of how the person has to sign in, by values of acr
// in order of preference.
type level struct {
	values    []string // none = no matter how
	essential bool     // no answer but with one of them
}

// met tells whether a sign-in of an acr is what was asked for.
func (l level) met(acr string) bool {
	if len(l.values) == 0 {
		return !l.essential || acr != ""
	}
	return slices.Contains(l.values, acr)
}

// reachable tells whether a passkey, used now, would be.
func (l level) reachable() bool { return slices.ContainsFunc(latchkey.ACRValues(), l.met) }

// readLevel reads the claim acr, which is about the ID token only (OpenID Connect
// Core §5.5.1.1).
func (rq *request) readLevel(asked map[string]jsontext.Value) (ok bool) {
	one, ok := readClaim(asked, "acr")
	if !ok {
		return false
	}
	rq.level.essential = one.Essential
	rq.level.values, ok = textsOf(one.Values)
	return ok
}

// judgeLevel reads acr_values, unless the claim acr was asked for, and without
// either what the application is registered with. Both are wishes: what comes is
// what was done.
func judgeLevel(rq *request, form url.Values) error {
	if rq.level.essential || len(rq.level.values) > 0 {
		return nil
	}
	if rq.level.values = words(form.Get("acr_values")); len(rq.level.values) == 0 {
		rq.level.values = rq.client.Metadata.DefaultACR
	}
	return nil
}

// needsLevel judges how the person signed in, s, against what is asked for. Who
// used the passkey for this request has done what there is to do.
func needsLevel(rq *request, s *latchkey.Session, done bool) (verdict, error) {
	met := s != nil && rq.level.met(s.ACR)
	switch again := rq.level.reachable() && !done; {
	case met:
	case rq.level.essential && !again:
		// OpenID Connect Core Error Code unmet_authentication_requirements §2.
		return verdict{}, refuse(codeUnmet, "Nobody can sign in here in one of the ways that the application requires.").because("acr")
	case s != nil && again && (rq.level.essential || !rq.asks(promptNone)):
		return verdict{"reauth", codeLoginRequired}, nil
	}
	return verdict{}, nil
}
