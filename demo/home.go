package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"latchkey/templates"
)

// home serves GET /: the front door, or what is known about the person.
func (a *App) home(w http.ResponseWriter, r *http.Request) {
	sess, _ := a.current(r)
	if sess == nil {
		a.showHome(w, r, false)
		return
	}
	var (
		who         *person
		before      *fingerprints
		logoutState string
	)
	a.sessions.edit(func() { who, before, logoutState = sess.person, sess.before, sess.logoutState })
	if who == nil {
		state := r.URL.Query().Get("state")
		a.showHome(w, r, state != "" && state == logoutState)
		return
	}
	body, err := a.pages.Session(a.describePage(who, before))
	a.show(w, r, http.StatusOK, body, err)
}

func (a *App) showHome(w http.ResponseWriter, r *http.Request, signedOut bool) {
	body, err := a.pages.Home(templates.DemoHome{Provider: a.providerName(), SignedOut: signedOut})
	a.show(w, r, http.StatusOK, body, err)
}

// show writes a whole page or, when it could not be made, a plain sentence.
func (a *App) show(w http.ResponseWriter, r *http.Request, status int, body []byte, err error) {
	if err != nil {
		a.log.ErrorContext(r.Context(), "demo: page cannot be made", "error", err)
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		a.log.DebugContext(r.Context(), "demo: browser went away", "error", err)
	}
}

func (a *App) providerName() string {
	issuer, err := url.Parse(a.issuer)
	if err != nil || issuer.Host == "" {
		return a.issuer
	}
	return issuer.Host
}

// describePage turns a person into finished words.
func (a *App) describePage(who *person, before *fingerprints) templates.DemoSession {
	page := templates.DemoSession{
		Name:       callThem(who),
		Status:     "You are signed in. This is what the application learned.",
		MayRefresh: who.token.RefreshToken != "",
		IDToken:    claimRows(who.idClaims),
		Userinfo:   claimRows(who.userinfo),
		Access:     claimRows(who.access),
		RawIDToken: who.idToken,
		RawAccess:  who.token.AccessToken,
		Tokens:     tokenRows(who.fingerprints(), before),
	}
	if !who.refreshedAt.IsZero() {
		page.Status = "The tokens were refreshed at " + who.refreshedAt.UTC().Format("15:04:05") + " UTC, without asking you."
	}
	return page
}

// callThem finds a name to greet with; the subject always exists.
func callThem(who *person) string {
	var known struct {
		Name     string `json:"name"`
		Username string `json:"preferred_username"`
	}
	if len(who.userinfo) > 0 && json.Unmarshal(who.userinfo, &known) == nil {
		if known.Name != "" {
			return known.Name
		}
		if known.Username != "" {
			return known.Username
		}
	}
	return who.subject
}

// meanings say in words what a claim tells an application.
var meanings = []struct{ claim, says string }{
	{"iss", "Who says so: the provider"},
	{"sub", "You, for ever, under this name that means nothing else"},
	{"aud", "For whom it was made"},
	{"azp", "The application it was given to"},
	{"client_id", "The application it was given to"},
	{"iat", "Made at"},
	{"exp", "Not accepted after"},
	{"auth_time", "When you used your passkey"},
	{"nonce", "Ties the token to the sign-in that was started here"},
	{"acr", "How strong the sign-in was (phr: phishing-resistant)"},
	{"amr", "What was shown: possession of a key, and you confirming it"},
	{"sid", "Your session at latchkey"},
	{"at_hash", "Ties it to the access token"},
	{"jti", "Name of this one token"},
	{"scope", "What it allows"},
	{"name", "Your name"},
	{"preferred_username", "Your username"},
	{"email", "Your e-mail address"},
	{"email_verified", "Whether the address is known to be yours"},
	{"groups", "The groups you are in"},
	{"updated_at", "When this about you last changed"},
}

// claimRows lists the known claims in the order of meanings, then the others by
// name. Claims are somebody else's text: shown, never interpreted.
func claimRows(claims json.RawMessage) []templates.DemoClaim {
	var values map[string]json.RawMessage
	if len(claims) == 0 || json.Unmarshal(claims, &values) != nil {
		return nil
	}
	var rows []templates.DemoClaim
	for _, m := range meanings {
		if value, there := values[m.claim]; there {
			rows = append(rows, templates.DemoClaim{Name: m.claim, Value: claimValue(m.claim, value), Says: m.says})
			delete(values, m.claim)
		}
	}
	var others []string
	for name := range values {
		others = append(others, name)
	}
	slices.Sort(others)
	for _, name := range others {
		rows = append(rows, templates.DemoClaim{Name: name, Value: claimValue(name, values[name])})
	}
	return rows
}

// claimValue writes strings without quotes and adds the date to times.
func claimValue(name string, raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	if slices.Contains([]string{"iat", "exp", "nbf", "auth_time", "updated_at"}, name) {
		if seconds, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return fmt.Sprintf("%d (%s)", seconds, time.Unix(seconds, 0).UTC().Format("2 January 2006, 15:04:05 UTC"))
		}
	}
	var tidy bytes.Buffer
	if json.Compact(&tidy, raw) != nil {
		return string(raw)
	}
	return strings.ReplaceAll(tidy.String(), ",", ", ")
}

// tokenRows compare the tokens with those before the last refresh.
func tokenRows(now, before *fingerprints) []templates.DemoToken {
	rows := []templates.DemoToken{
		{ID: "id-token", Name: "ID token", Now: now.id},
		{ID: "access-token", Name: "Access token", Now: now.access},
		{ID: "refresh-token", Name: "Refresh token", Now: now.refresh},
	}
	for i := range rows {
		row := &rows[i]
		switch {
		case row.Now == "":
			row.Now, row.Before, row.Changed = "–", "–", "Not given"
		case before == nil:
			row.Before, row.Changed = "–", "Not refreshed yet"
		default:
			row.Before = []string{before.id, before.access, before.refresh}[i]
			row.Changed = "No"
			if row.Before != row.Now {
				row.Changed = "Yes"
			}
		}
	}
	return rows
}
