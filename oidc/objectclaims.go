package oidc

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"latchkey"
)

// objectClaims are those of a request object, each as it is spelled.
type objectClaims map[string]jsontext.Value

// maxObjectLife is how far ahead the end of a request object may be, and how old
// its beginning, in profile fapi2 (FAPI 2.0 Message Signing §5.3.1).
const maxObjectLife = time.Hour

// readObjectClaims decodes the claims. A name that stands twice, or is no text,
// is refused: others read it in another way.
func readObjectClaims(payload []byte) (claims objectClaims, err error) {
	err = json.Unmarshal(payload, &claims)
	return claims, err
}

// text is a claim that is a text; ok tells whether it is one, or absent.
func (c objectClaims) text(name string) (value string, ok bool) {
	raw, there := c[name]
	if !there {
		return "", true
	}
	return value, json.Unmarshal(raw, &value) == nil
}

// moment is a claim that is a time; ok tells whether it is one, or absent.
func (c objectClaims) moment(name string) (at time.Time, there, ok bool) {
	raw, there := c[name]
	if !there {
		return time.Time{}, false, true
	}
	var seconds float64
	if raw.Kind() != '0' || json.Unmarshal(raw, &seconds) != nil {
		return time.Time{}, true, false
	}
	return instant(seconds), true, true
}

// audience are the values of aud.
func (c objectClaims) audience() (list audience, ok bool) {
	raw, there := c["aud"]
	if !there {
		return nil, true
	}
	return list, json.Unmarshal(raw, &list) == nil
}

// judgeObject checks whom a request object comes from, whom it is for, and when
// it counts (RFC 9101 §4 and §6). What a plain OpenID Connect application may
// leave out, it may; what it says has to be right.
func (p *Provider) judgeObject(c *latchkey.Client, claims objectClaims) error {
	strict := c.Profile == latchkey.ProfileFAPI2
	for _, name := range []string{"iss", "client_id"} {
		if value, ok := claims.text(name); !ok || value != "" && value != c.ID || value == "" && strict && name == "iss" {
			return badObject("The request object comes from another application.", "object_issuer")
		}
	}
	if aud, ok := claims.audience(); !ok || len(aud) > 0 && !aud.has(p.Issuer) || len(aud) == 0 && (strict || claims["aud"] != nil) {
		return badObject("The request object is not for this provider.", "object_audience")
	}
	// What is signed to prove the application must not be taken for a request
	// (RFC 9101 §10.8).
	if sub, _ := claims.text("sub"); sub == c.ID {
		return badObject("This is a client assertion, not a request object.", "object_subject")
	}
	for _, name := range []string{"request", "request_uri"} {
		if _, there := claims[name]; there {
			return badObject("A request object does not hold another one.", "object_nested")
		}
	}
	return p.judgeObjectTimes(claims, strict)
}

func (p *Provider) judgeObjectTimes(claims objectClaims, strict bool) error {
	now := p.DB.Clock()
	end, ends, endOK := claims.moment("exp")
	begin, begins, beginOK := claims.moment("nbf")
	made, wasMade, madeOK := claims.moment("iat")
	switch {
	case !endOK || !beginOK || !madeOK:
		return badObject("A time in the request object is no number.", "object_times")
	case strict && (!ends || !begins):
		return badObject("The request object has no beginning or no end.", "object_times")
	case ends && !end.After(now.Add(-skew)):
		return badObject("The request object has expired.", "object_expired")
	case begins && begin.After(now.Add(skew)) || wasMade && made.After(now.Add(skewAhead)):
		return badObject("The request object is not valid yet.", "object_not_yet")
	case strict && (end.After(now.Add(maxObjectLife+skew)) || begin.Before(now.Add(-maxObjectLife-skew))):
		return badObject("The request object is valid for too long.", "object_too_long_lived")
	}
	return nil
}

// jwtClaims say something about the object; they are no parameters.
func jwtClaims() []string { return []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"} }

// joinObject makes one request of the object and what stands beside it. By
// RFC 9101 §6.3 that is the object alone; OpenID Connect Core §6.1 lets an
// application send the rest beside it, and what both have is the object's. An
// application that has to sign its requests means the former.
func (p *Provider) joinObject(c *latchkey.Client, form url.Values, claims objectClaims) (url.Values, error) {
	joined := url.Values{}
	if !c.Protocol.RequireSignedRequest && c.Profile == latchkey.ProfileOIDC && slices.Contains(words(form.Get("scope")), scopeOpenID) {
		for name, values := range form {
			joined[name] = values
		}
		joined.Del("request")
		joined.Del("request_uri")
	}
	for name, raw := range claims {
		if slices.Contains(jwtClaims(), name) || name == hintedSubject {
			continue
		}
		values, ok := parameter(raw)
		if !ok {
			return nil, badObject("A claim of the request object is no parameter.", "malformed_object")
		}
		// The application cannot have meant both (§6.1).
		if name == "response_type" && joined.Has(name) && !sameWords(joined.Get(name), strings.Join(values, " ")) {
			return nil, badObject("The request object has another response_type than the request.", "object_response_type")
		}
		if joined.Del(name); len(values) > 0 {
			joined[name] = values
		}
	}
	joined.Set("client_id", c.ID)
	return joined, nil
}

func sameWords(a, b string) bool {
	one, two := words(a), words(b)
	slices.Sort(one)
	slices.Sort(two)
	return slices.Equal(one, two)
}

// parameter spells a claim as the parameter that it stands for: a text as it is,
// a list of texts as one of several, everything else as JSON (RFC 9101 §4).
func parameter(raw jsontext.Value) (values []string, ok bool) {
	switch raw.Kind() {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return []string{text}, err == nil
	case '[':
		if json.Unmarshal(raw, &values) == nil {
			return values, true
		}
	case 'n':
		return nil, true
	}
	if err := raw.Compact(); err != nil {
		return nil, false
	}
	return []string{string(raw)}, true
}
