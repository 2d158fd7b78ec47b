package latchkey

import "unicode/utf8"

// ClientMetadata are the members of RFC 7591 that are shown or kept but decide
// nothing by themselves.
type ClientMetadata struct {
	ClientURI       string         `json:"client_uri,omitempty"`
	LogoURI         string         `json:"logo_uri,omitempty"`
	PolicyURI       string         `json:"policy_uri,omitempty"`
	TOSURI          string         `json:"tos_uri,omitempty"`
	Contacts        []string       `json:"contacts,omitempty"`
	InitiateLogin   string         `json:"initiate_login_uri,omitempty"`
	Notes           string         `json:"notes,omitempty"`
	Tags            []string       `json:"tags,omitempty"`
	Claims          map[string]any `json:"claims,omitempty"`
	SoftwareID      string         `json:"software_id,omitempty"`
	SoftwareVersion string         `json:"software_version,omitempty"`
	DefaultMaxAge   *int64         `json:"default_max_age,omitempty"` // seconds
	RequireAuthTime bool           `json:"require_auth_time,omitempty"`
	DefaultACR      []string       `json:"default_acr_values,omitempty"`
}

// LogoPath is where people's browsers find the copy of an application's logo; ""
// when there is none. What an address shows never changes.
func (c *Client) LogoPath() string {
	if c.Logo == "" {
		return ""
	}
	return "/logos/" + c.Logo + ".png"
}

// check judges what is kept and shown.
func (m *ClientMetadata) check(p problems) {
	for member, link := range map[string]struct {
		uri       string
		httpsOnly bool
	}{
		"client_uri": {m.ClientURI, false}, "policy_uri": {m.PolicyURI, false}, "tos_uri": {m.TOSURI, false},
		"logo_uri":           {m.LogoURI, true},
		"initiate_login_uri": {m.InitiateLogin, true}, // OpenID Connect Core §4
	} {
		if link.uri != "" {
			checkList(p, member, []string{link.uri}, func(uri string) string { return linkProblem(uri, link.httpsOnly) })
		}
	}
	for member, text := range map[string]string{"software_id": m.SoftwareID, "software_version": m.SoftwareVersion} {
		if text != "" {
			checkText(p, member, text, maxClientName)
		}
	}
	checkTexts(p, "contacts", m.Contacts, maxClientName)
	checkTexts(p, "tags", m.Tags, maxClientTag)
	checkTexts(p, "default_acr_values", m.DefaultACR, maxScope)
	if n := utf8.RuneCountInString(m.Notes); n > maxClientNotes || !utf8.ValidString(m.Notes) {
		p.add("notes", "Notes are text of at most %d characters.", maxClientNotes)
	}
	if m.DefaultMaxAge != nil && *m.DefaultMaxAge < 0 {
		p.add("default_max_age", "An age is 0 seconds or more.")
	}
}

func checkTexts(p problems, member string, texts []string, limit int) {
	if len(texts) > maxClientTags {
		p.add(member, "These are more than %d.", maxClientTags)
	}
	for _, text := range texts {
		checkText(p, member, text, limit)
	}
}
