package oidc

import (
	"bytes"
	"net/http"
	"net/url"

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

func (p *Provider) showConsent(c *gin.Context, rq *request, s *latchkey.Session, in *latchkey.Interaction) error {
	page := templates.Consent{
		Base: templates.Base{Person: templates.PersonOf(s)},
		App:  rq.client.Name, Host: hostOf(rq.redirect), Action: pathConsent,
		Added:  "Added by your administrator on " + templates.Date(rq.client.CreatedAt) + ".",
		Hidden: []templates.Hidden{{Name: "request", Value: in.ID}, {Name: "token", Value: p.DB.ConsentToken(in.ID, s.ID)}},
		Switch: pathLogin + "?request=" + url.QueryEscape(in.ID) + "&switch=1",
	}
	page.Read, page.Act, page.Stay = latchkey.ScopeWords(rq.scopes)
	return p.show(c, http.StatusOK, page)
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
func (p *Provider) showNotAllowed(c *gin.Context, cl *latchkey.Client, target string) error {
	name := "\u2068" + cl.Name + "\u2069" // set off from the words around it, also where its letters run the other way
	return p.show(c, http.StatusForbidden, templates.Error{
		Code:    "not_allowed",
		Title:   "You may not use " + name,
		Text:    name + " is open to certain groups only, and you are in none of them.",
		Advice:  "Ask an administrator to add you to one of its groups, then try again.",
		Support: latchkey.ActorFrom(c.Request.Context()).RequestID,
		Back:    target, BackLabel: "Back to " + name,
	})
}
