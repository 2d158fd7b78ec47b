package admin

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"latchkey"
	"latchkey/templates"
)

// NewClientPage serves GET /admin/clients/new.
func (s *Service) NewClientPage(c *gin.Context) error {
	return s.showNewClient(c, http.StatusOK, url.Values{"type": {latchkey.TypeWeb}, "once": {randomTail()}}, nil)
}

// NewClientForm serves POST /admin/clients. Its answer is the only place where
// the secret is ever shown; sent twice, as by a reload, it connects one
// application and leads to it.
func (s *Service) NewClientForm(c *gin.Context) error {
	form := c.Request.PostForm
	wanted := &latchkey.Client{Type: form.Get("type"), Enabled: true}
	if isTail(form.Get("once")) {
		wanted.ID = joinID(form.Get("name"), form.Get("once"))
	}
	machine := wanted.Type == latchkey.TypeMachine
	if machine { // what the page asks of people says nothing here
		form = cloneWithout(form, "who", "group", "first_party")
	}
	wanted, wrong := applyForm(wanted, form)
	if !machine && !form.Has("who") {
		wrong["allowed_groups"] = "Choose who may sign in."
	}
	var made *Registered
	err := checkTyped(wanted, wrong)
	if err == nil {
		made, err = s.CreateClient(c.Request.Context(), wanted, "")
	}
	p := (*latchkey.Problem)(nil)
	switch {
	case latchkey.CodeOf(err) == "client_exists":
		return redirect(c, clientPath(wanted.ID)+"?done=twice")
	case errors.As(err, &p) && len(p.Fields) > 0:
		return s.showNewClient(c, statusOf(p), c.Request.PostForm, p)
	case err != nil:
		return err
	}
	return s.show(c, http.StatusOK, templates.AdminClientDone{
		Base: s.base(c), ID: made.Client.ID, Name: made.Client.Name, Secret: made.Secret, OwnKey: !made.Client.Public(),
		Settings: settingsOf(made.Client), Facts: chosenFor(made.Client),
	})
}

// checkTyped judges an application together with what is wrong with the form
// itself, so that everything is said at once.
func checkTyped(c *latchkey.Client, wrong map[string]string) error {
	copied := *c
	if copied.ID == "" {
		copied.ID = "new"
	}
	copied.FillDefaults()
	err := copied.Check()
	if len(wrong) == 0 {
		return err
	}
	if p := (*latchkey.Problem)(nil); errors.As(err, &p) {
		for member, what := range p.Fields {
			if wrong[member] == "" {
				wrong[member] = what
			}
		}
	}
	return latchkey.InvalidFields(wrong)
}

func cloneWithout(form url.Values, names ...string) url.Values {
	out := maps.Clone(form)
	for _, name := range names {
		out.Del(name)
	}
	return out
}

// isTail tells whether s can be what randomTail made.
func isTail(s string) bool {
	return len(s) == 8 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// showNewClient shows the form as it was typed, with what is wrong. Without any
// group there is no choice to make.
func (s *Service) showNewClient(c *gin.Context, status int, form url.Values, wrong *latchkey.Problem) error {
	groups, err := s.db.GroupNames(c.Request.Context())
	if err != nil {
		return err
	}
	page := templates.AdminClientNew{Base: s.base(c)}
	var fields map[string]string
	if wrong != nil {
		fields, page.Alert = wrong.Fields, alertOf(wrong)
		page.Alert.Text = withoutField(form, fields)
	} else if len(groups) == 0 {
		form.Set("who", "everyone")
	}
	page.Form = clientForm(form, groups, fields)
	return s.show(c, status, page)
}

// settingsOf are what somebody types into the application.
func settingsOf(c *latchkey.Client) templates.ClientSettings {
	return templates.ClientSettings{
		ID: c.ID, Secret: c.HasSecret(), Machine: !c.SignsPeopleIn(), Scope: strings.Join(c.Scopes, " "),
		Redirects: c.RedirectURIs, SignedOut: c.PostLogoutRedirectURIs,
	}
}

// chosenFor says what the type of a new application decided.
func chosenFor(c *latchkey.Client) []templates.Fact {
	if !c.SignsPeopleIn() {
		return []templates.Fact{
			{Name: "Sign-in", Value: "Nobody: it acts in its own name (client credentials)"},
			{Name: "It proves itself by", Value: methodWords(c)},
		}
	}
	return []templates.Fact{
		{Name: "Sign-in", Value: "Code flow" + map[bool]string{true: ", PKCE required"}[c.NeedsPKCE()]},
		{Name: "It proves itself by", Value: methodWords(c)},
		{Name: "Who may sign in", Value: whoMay(c)},
		{Name: "Consent", Value: map[bool]string{true: "Not asked, it is your own application", false: "Each person is asked once"}[c.FirstParty]},
	}
}

func methodWords(c *latchkey.Client) string {
	switch c.AuthMethod {
	case latchkey.AuthBasic:
		return "The secret, in a header (client_secret_basic)"
	case latchkey.AuthPost:
		return "The secret, in the body (client_secret_post)"
	case latchkey.AuthSecretJWT:
		return "A signature made with the secret (client_secret_jwt)"
	case latchkey.AuthPrivateKeyJWT:
		return "A signature of its own key (private_key_jwt)"
	}
	return "PKCE; it has no secret"
}

func clientPath(id string) string { return "/admin/clients/" + id }
