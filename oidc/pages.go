package oidc

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/templates"
)

// show renders a page whole before the first byte leaves.
func (p *Provider) show(c *gin.Context, status int, page templates.Page) error {
	var whole bytes.Buffer
	if err := p.Templates.Render(&whole, page); err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Referrer-Policy", "no-referrer")
	c.Data(status, "text/html; charset=utf-8", whole.Bytes())
	return nil
}

// showHandOver is the page that leads to an application after a form.
func (p *Provider) showHandOver(c *gin.Context, cl *latchkey.Client, target string) error {
	return p.show(c, http.StatusOK, templates.HandOver{URL: target, App: cl.Name})
}

// showFormPost is the page that posts an answer to an application (OAuth 2.0 Form
// Post Response Mode §2).
func (p *Provider) showFormPost(c *gin.Context, rq *request, params url.Values) error {
	allowFormTo(c, rq.redirect)
	return p.show(c, http.StatusOK, templates.FormPost{URL: rq.redirect, App: rq.client.Name, Hidden: hiddenOf(params)})
}

// allowFormTo lets the page that is shown post to one foreign origin.
func allowFormTo(c *gin.Context, address string) {
	u, err := url.Parse(address)
	if err != nil {
		return // it was read before it was registered
	}
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "form-action 'self'", "form-action 'self' "+u.Scheme+"://"+u.Host, 1))
}

func hiddenOf(params url.Values) (fields []templates.Hidden) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		fields = append(fields, templates.Hidden{Name: name, Value: params.Get(name)})
	}
	return fields
}

func (p *Provider) showConsent(c *gin.Context, rq *request, s *latchkey.Session, in *latchkey.Interaction) error {
	page := templates.Consent{
		Base: templates.Base{Person: templates.PersonOf(s)},
		App:  rq.client.Name, Facts: templates.AppFactsOf(rq.client), Host: hostOf(rq.redirect), Action: pathConsent,
		Added:  cameBy(rq.client),
		Hidden: []templates.Hidden{{Name: "request", Value: in.ID}, {Name: "token", Value: p.consentToken(rq, s, in)}},
		Switch: pathLogin + "?request=" + url.QueryEscape(in.ID) + "&switch=1",
	}
	act, others := rq.client.PermissionWords(rq.scopes, rq.apis())
	page.Read, page.Act, page.Stay = latchkey.ScopeWords(others)
	page.Act = append(page.Act, act...)
	for _, c := range rq.asked.Beyond(rq.scopes) {
		page.Read = append(page.Read, c.Words)
	}
	return p.show(c, http.StatusOK, page)
}

// cameBy says, in a full sentence, who connected an application and when.
func cameBy(c *latchkey.Client) string {
	on := templates.Date(c.CreatedAt) + "."
	switch {
	case c.Registration == nil:
		return "Added by your administrator on " + on
	case c.Registration.TokenID == "":
		return "It registered itself here on " + on + " No administrator added it."
	}
	return "It registered itself here, with leave of your administrator, on " + on
}

// hostOf is where the answer goes, as people recognise it.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return u.Scheme
	}
	return u.Host
}

// showNotAllowed tells a person outside of the allowed groups which rule it is
// and whom to ask, and leads back with the refusal.
func (p *Provider) showNotAllowed(c *gin.Context, rq *request, params url.Values) error {
	params, err := p.complete(c.Request.Context(), rq, params)
	if err != nil {
		return err
	}
	back, fields := target(rq, params), []templates.Hidden(nil)
	if rq.mode == latchkey.ModeFormPost {
		back, fields = rq.redirect, hiddenOf(params)
		allowFormTo(c, rq.redirect)
	}
	name := "\u2068" + rq.client.Name + "\u2069" // set off from the words around it, also where its letters run the other way
	return p.show(c, http.StatusForbidden, templates.Error{
		Code:    "not_allowed",
		Title:   "You may not use " + name,
		Text:    name + " is open to certain groups only, and you are in none of them.",
		Advice:  "Ask an administrator to add you to one of its groups, then try again.",
		Support: latchkey.ActorFrom(c.Request.Context()).RequestID,
		Back:    back, BackFields: fields, BackLabel: "Back to " + name,
	})
}
