package oidc

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"latchkey"
)

// Values of prompt (OpenID Connect Core §3.1.2.1).
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptSelect  = "select_account"
)

func (rq *request) asks(prompt string) bool { return slices.Contains(rq.prompt, prompt) }

// judgePrompt checks prompt and max_age before anybody is sent to sign in.
func judgePrompt(rq *request, form url.Values) error {
	rq.prompt = words(form.Get("prompt"))
	for _, v := range rq.prompt {
		if !slices.Contains([]string{promptNone, promptLogin, promptConsent, promptSelect}, v) {
			return refuse(codeInvalidRequest, "A value of prompt is not supported.").because("prompt")
		}
	}
	if rq.asks(promptNone) && len(rq.prompt) > 1 {
		return refuse(codeInvalidRequest, "The prompt none stands alone.").because("prompt_none_mixed")
	}
	rq.loginHint = form.Get("login_hint")
	if !form.Has("max_age") {
		if rq.client.Metadata.DefaultMaxAge != nil {
			rq.maxAge = *rq.client.Metadata.DefaultMaxAge
		}
		return nil
	}
	age := form.Get("max_age")
	seconds, err := strconv.ParseInt(age, 10, 64)
	// Never read as "no limit": not what is too large, nor a sign, nor nothing.
	if err != nil || strings.ContainsFunc(age, func(r rune) bool { return r < '0' || r > '9' }) {
		return refuse(codeInvalidRequest, "The parameter max_age is no number of seconds.").because("max_age")
	}
	rq.maxAge = seconds
	return nil
}

// judgeHint verifies id_token_hint and keeps its subject. One that was issued to
// another application is no better than a forged one.
func (p *Provider) judgeHint(ctx context.Context, rq *request, form url.Values) error {
	if stored := form.Get(hintedSubject); stored != "" {
		rq.hinted = stored
		return nil
	}
	if !form.Has("id_token_hint") {
		return nil
	}
	h, err := p.readHint(ctx, form.Get("id_token_hint"))
	if err != nil && !errors.Is(err, errHint) {
		return err
	}
	if err != nil || !h.Audience.has(rq.client.ID) {
		return refuse(codeInvalidRequest, "The id_token_hint is no ID token of this application.").because("id_token_hint")
	}
	rq.hinted = h.Subject
	return nil
}

// verdict says what has to happen before a request is answered. Reason empty
// means: nothing.
type verdict struct {
	reason string // of latchkey.Needs
	code   string // the error for prompt=none
}

// needs judges a request against the session of the browser. in is the waiting
// interaction, if the person was sent somewhere before. Whether consent is
// missing, the statement decides that would issue the code.
func (p *Provider) needs(ctx context.Context, rq *request, s *latchkey.Session, in *latchkey.Interaction) (verdict, error) {
	// Whoever used the passkey after the request came has done what it asked.
	done := s != nil && in != nil && !s.AuthTime.Before(in.CreatedAt)
	again, err := needsLevel(rq, s, done)
	if err != nil {
		return verdict{}, err
	}
	if s == nil {
		return verdict{"login", codeLoginRequired}, nil
	}
	known, err := p.subjectFor(ctx, rq.client, s.Subject)
	if err != nil {
		return verdict{}, err
	}
	switch {
	case !rq.expects(known):
		if done {
			return verdict{}, refuse(codeLoginRequired, "Somebody else signed in than the application expects.").because("hint_mismatch")
		}
		return verdict{"login", codeLoginRequired}, nil
	case rq.asks(promptSelect) && !done:
		return verdict{"login", codeLoginRequired}, nil
	case rq.asks(promptLogin) && !done, rq.maxAge >= 0 && !done && tooOld(rq.maxAge, s):
		return verdict{"reauth", codeLoginRequired}, nil
	}
	return again, nil
}

// tooOld tells whether the passkey was used longer ago than max_age; 0 asks for
// a new use each time. Both times are the database's.
func tooOld(maxAge int64, s *latchkey.Session) bool {
	return maxAge == 0 || s.FoundAt.Sub(s.AuthTime).Seconds() > float64(maxAge)
}

// consented tells whether this very person allowed this very request.
func consented(s *latchkey.Session, in *latchkey.Interaction) bool {
	return in != nil && in.Needs.UserID == s.UserID && slices.Contains(in.Needs.Done, promptConsent)
}
