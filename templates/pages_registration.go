package templates

// AdminRegistration is GET /admin/registration, and the answer to its forms when
// a field needs another look.
type AdminRegistration struct {
	Base
	Mode   string // off, token, open
	Tokens []InitialTokenItem
	Form   InitialTokenForm
}

// InitialTokenItem is one initial access token.
type InitialTokenItem struct {
	ID    string
	Name  string
	Over  string // "Used up", "Expired", "Revoked"; "" = it may be used
	Used  string // "3 of 10 applications"
	Gives string // "OpenID Connect, what is about a person"
	Ends  When
}

// InitialTokenForm is the fields of a new one as they were typed. Field names:
// name, max_uses, days, scope, profile.
type InitialTokenForm struct {
	Name     string
	MaxUses  string
	Scope    string
	Days     []Option
	Profiles []Option
	Errors   map[string]string // field name to what is wrong
}

// AdminTokenDone shows an initial access token, once, as the answer to the POST
// that made it.
type AdminTokenDone struct {
	Base
	Name  string
	Token string
	Used  string // "10 applications"
	Ends  When
}

func (AdminRegistration) view() view {
	return view{name: "admin-registration", frame: "admin", width: "narrow", nav: "clients"}
}
func (AdminTokenDone) view() view {
	return view{name: "admin-token-done", frame: "admin", width: "narrow", nav: "clients"}
}
