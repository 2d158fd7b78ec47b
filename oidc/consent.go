package oidc

import (
	"crypto/subtle"
	"errors"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/session"
	"latchkey/storage"
)

// Consent serves GET /consent?request=ID: what an application asks for.
func (p *Provider) Consent(c *gin.Context) error {
	ctx := c.Request.Context()
	in, form, err := p.waiting(c, c.Query("request"))
	if err != nil {
		return err
	}
	s := session.FromContext(ctx)
	if s == nil || in.Needs.Reason != promptConsent || in.Needs.UserID != s.UserID {
		// Only the judgement of the request decides what is next.
		return seeOther(c, pathAuthorize+"?request="+url.QueryEscape(in.ID))
	}
	rq, err := p.gate(ctx, form)
	if err != nil {
		return p.refuseRequest(c, rq, in, err)
	}
	return p.showConsent(c, rq, s, in)
}

// Decide serves POST /consent: what the person decided, and Cancel of the pages
// that a request waits on. Allowing takes the form's own token, good once.
func (p *Provider) Decide(c *gin.Context) error {
	ctx := c.Request.Context()
	form, err := postForm(c.Request)
	if err == nil {
		err = single(form)
	}
	if err != nil {
		return latchkey.Refuse(latchkey.ErrInvalid, "malformed_request", "The form could not be read.")
	}
	id := form.Get("request")
	if id == "" {
		id = c.Query("request")
	}
	in, stored, err := p.waiting(c, id)
	if errors.Is(err, latchkey.ErrExpired) && form.Has("token") {
		return p.foreignForm(c, "") // used before, or left open for too long
	}
	if err != nil {
		return err
	}
	rq, err := p.gate(ctx, stored)
	if err != nil {
		return p.refuseRequest(c, rq, in, err)
	}
	s, asked := session.FromContext(ctx), in.Needs.Reason == promptConsent
	decision, token := form.Get("decision"), form.Get("token")
	switch {
	case decision == "deny" && (!asked || s == nil): // Cancel needs nobody, only this browser
		return p.deny(c, rq, s, in)
	case asked && s == nil && token != "": // the session ended while the page was open
		return seeOther(c, pathAuthorize+"?request="+url.QueryEscape(in.ID))
	case !asked || !p.ownForm(rq, s, in, token):
		return p.foreignForm(c, rq.client.ID)
	case decision == "allow":
		return p.allow(c, rq, s, in)
	case decision == "deny":
		return p.deny(c, rq, s, in)
	}
	return latchkey.Refuse(latchkey.ErrInvalid, "malformed_request", "Choose Allow or Cancel.")
}

// ownForm tells whether the token is that of the form shown to this person for
// this request as it is now.
func (p *Provider) ownForm(rq *request, s *latchkey.Session, in *latchkey.Interaction, token string) bool {
	if s == nil || in.Needs.UserID != s.UserID {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(token), []byte(p.consentToken(rq, s, in))) == 1
}

// consentToken is that of the form for what the request asks now. What an
// application may have can change while the page is open; nobody allows what the
// page did not show.
func (p *Provider) consentToken(rq *request, s *latchkey.Session, in *latchkey.Interaction) string {
	return p.DB.ConsentToken(in.ID, s.ID, rq.scopes, latchkey.Names(rq.asked.Beyond(rq.scopes)))
}

// foreignForm records and refuses a decision that did not come from a form of
// ours that still counts.
func (p *Provider) foreignForm(c *gin.Context, clientID string) error {
	ev := latchkey.Event{Kind: latchkey.ConsentDenied, ClientID: clientID, Outcome: latchkey.Failure, Reason: "foreign_form"}
	if s := session.FromContext(c.Request.Context()); s != nil {
		ev.Subject = s.UserID
	}
	if err := p.refused(c.Request.Context(), ev); err != nil {
		return err
	}
	return latchkey.Refuse(latchkey.ErrForbidden, "form_expired", "This form is no longer valid. Go back to the application and start again.")
}

// allow remembers the consent and answers with a code.
func (p *Provider) allow(c *gin.Context, rq *request, s *latchkey.Session, in *latchkey.Interaction) error {
	ctx := c.Request.Context()
	in.Needs = latchkey.Needs{UserID: s.UserID, NotBefore: in.Needs.NotBefore, Done: append(slices.Clone(in.Needs.Done), promptConsent)}
	err := p.DB.GrantConsent(ctx, in, p.browser(c), latchkey.Consent{UserID: s.UserID, ClientID: rq.client.ID, Scopes: rq.scopes, APIs: rq.apis(),
		Claims: latchkey.Names(rq.asked.Beyond(rq.scopes))})
	if errors.Is(err, latchkey.ErrNotFound) {
		return p.foreignForm(c, rq.client.ID) // the form was used meanwhile
	}
	if err != nil {
		return err
	}
	v, err := p.needs(ctx, rq, s, in)
	if err != nil {
		return p.refuseRequest(c, rq, in, err)
	}
	if v.reason == "" {
		params, found, err := p.issue(c, rq, in)
		if err != nil {
			return p.refuseRequest(c, rq, in, err)
		}
		if found == storage.IsIssued {
			return p.respond(c, rq, params)
		}
	}
	return seeOther(c, pathAuthorize+"?request="+url.QueryEscape(in.ID))
}

// deny ends the request; the application gets access_denied.
func (p *Provider) deny(c *gin.Context, rq *request, s *latchkey.Session, in *latchkey.Interaction) error {
	ev := latchkey.Event{Kind: latchkey.ConsentDenied, ClientID: rq.client.ID, Outcome: latchkey.Failure, Reason: "denied"}
	if in.Needs.Reason != promptConsent {
		ev.Kind, ev.Reason = latchkey.AuthorizationRefused, "cancelled"
	}
	if s != nil {
		ev.Subject = s.UserID
	}
	if err := p.use(c.Request.Context(), in, p.browser(c), ev); err != nil {
		return err
	}
	return p.respond(c, rq, errorParams(refuse(codeAccessDenied, "The person refused.")))
}

// notAllowed is for a person outside of the groups that the application is for:
// they see which rule, and the way back tells the application.
func (p *Provider) notAllowed(c *gin.Context, rq *request, in *latchkey.Interaction) error {
	f := notInGroups()
	if rq.asks(promptNone) {
		return p.refuseRequest(c, rq, in, f)
	}
	if err := p.endRequest(c, rq, in, f); err != nil {
		return err
	}
	return p.showNotAllowed(c, rq, errorParams(f))
}
