package oidc

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
)

// maxClaims is how long the parameter claims may be, in bytes.
const maxClaims = 8 << 10

// claimsAsked is the parameter claims (OpenID Connect Core §5.5): claims by where
// they go and by name. What else stands in it means nothing here.
type claimsAsked struct {
	Userinfo map[string]jsontext.Value `json:"userinfo"`
	IDToken  map[string]jsontext.Value `json:"id_token"`
}

// claimAsked is how one claim is asked for (§5.5.1); null asks for it without
// more. That an application calls a claim essential forces nobody to have it.
type claimAsked struct {
	Essential bool  `json:"essential"`
	Value     any   `json:"value"`
	Values    []any `json:"values"`
}

// judgeClaims reads the parameter claims. Claims that nobody here knows, or that
// the application may not have, are left out, as §5.5 wants it.
func judgeClaims(rq *request, form url.Values) error {
	if !form.Has("claims") {
		return nil
	}
	if !rq.readClaims(form.Get("claims")) {
		return refuse(codeInvalidRequest, "The parameter claims is malformed.").because("claims")
	}
	return nil
}

func (rq *request) readClaims(raw string) (ok bool) {
	var asked *claimsAsked
	if len(raw) > maxClaims || json.Unmarshal([]byte(raw), &asked) != nil || asked == nil {
		return false
	}
	if rq.asked.Userinfo, ok = rq.mayHave(asked.Userinfo); !ok {
		return false
	}
	if rq.asked.IDToken, ok = rq.mayHave(asked.IDToken); !ok {
		return false
	}
	return rq.readLevel(asked.IDToken) && rq.bindSubject(asked.IDToken) && rq.bindSubject(asked.Userinfo)
}

// mayHave are the claims about a person that the application may have at all. ok
// is false when one of them is asked for in no way that §5.5.1 knows.
func (rq *request) mayHave(asked map[string]jsontext.Value) (may latchkey.AskedValues, ok bool) {
	may = latchkey.AskedValues{}
	for name := range asked {
		c, known := latchkey.FindClaim(name)
		if !known {
			continue
		}
		one, ok := readClaim(asked, name)
		if !ok {
			return nil, false
		}
		if slices.Contains(rq.client.Scopes, c.Scope) {
			may[name] = one.Values
		}
	}
	return may, true
}

// bindSubject keeps the values of `sub`: nobody else may be told of (§5.5.1).
// Where both places name somebody, it has to be the same person.
func (rq *request) bindSubject(asked map[string]jsontext.Value) (ok bool) {
	one, ok := readClaim(asked, "sub")
	if !ok || len(one.Values) == 0 {
		return ok
	}
	subjects, ok := textsOf(one.Values)
	if rq.subjects != nil {
		subjects = slices.DeleteFunc(subjects, func(s string) bool { return !slices.Contains(rq.subjects, s) })
	}
	rq.subjects = subjects
	return ok
}

// readClaim reads how the claim of a name is asked for, with all values that
// would do in Values.
func readClaim(asked map[string]jsontext.Value, name string) (one claimAsked, ok bool) {
	raw := asked[name]
	if len(raw) == 0 || raw.Kind() == 'n' {
		return one, true
	}
	if json.Unmarshal(raw, &one) != nil || one.Values != nil && len(one.Values) == 0 {
		return one, false
	}
	if one.Value != nil {
		one.Values = append([]any{one.Value}, one.Values...)
	}
	return one, !slices.ContainsFunc(one.Values, func(v any) bool { return !couldBe(v, 0) })
}

// couldBe tells whether a claim could have the value at all: none is nested
// deeper than an address, and none holds a NUL, which the database cannot keep.
func couldBe(value any, depth int) bool {
	if depth > 2 {
		return false
	}
	switch v := value.(type) {
	case string:
		return !strings.Contains(v, "\x00")
	case []any:
		for _, part := range v {
			if !couldBe(part, depth+1) {
				return false
			}
		}
	case map[string]any:
		for name, part := range v {
			if !couldBe(name, depth) || !couldBe(part, depth+1) {
				return false
			}
		}
	}
	return true
}

// textsOf are values that all have to be texts; never nil.
func textsOf(values []any) (texts []string, ok bool) {
	texts = []string{}
	for _, v := range values {
		text, isText := v.(string)
		if !isText {
			return texts, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

// expects tells whether the answer may be about the person of a subject.
func (rq *request) expects(subject string) bool {
	return (rq.hinted == "" || rq.hinted == subject) && (rq.subjects == nil || slices.Contains(rq.subjects, subject))
}

// frontClaims are the claims of the person for an ID token that comes by the
// browser: those asked for by name, and without an access token to ask userinfo
// with, those of the scopes (§5.4).
func (p *Provider) frontClaims(ctx context.Context, rq *request, userID string) (map[string]any, error) {
	alone := rq.types == "id_token"
	if !alone && (len(rq.asked.IDToken) == 0 || !rq.gets("id_token")) {
		return nil, nil
	}
	person, err := p.DB.FindUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	told := map[string]any{}
	if alone {
		told = claimsOf(person, rq.scopes)
	}
	person.Tell(told, rq.asked.IDToken, rq.client.Scopes)
	return told, nil
}
