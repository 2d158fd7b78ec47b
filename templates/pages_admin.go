package templates

// Choice is a check box, radio or option with its name.
type Choice struct {
	Value  string
	Chosen bool
}

// Fact is a name and a value.
type Fact struct {
	Name  string
	Value string
	Code  bool // in the machine's letters, with a button to copy
}

// AdminClients is GET /admin/clients.
type AdminClients struct {
	Base
	Items []ClientItem
	Query string // what was looked for (?q=)
	Count string // "14 applications", "8 of 14"
	Next  string // address of the next page; "" = this is the last
}

// ClientItem is one application of the list.
type ClientItem struct {
	ID      string
	Name    string
	Host    string // host of its first redirect URI; "" = no sign-in
	Type    string // "Server web app", "Browser app", "Mobile or desktop app", "Machine"
	Who     string // "Everyone", "engineering, ops", "No person"
	Consent bool   // people are asked
	Enabled bool
	Self    bool // it registered itself
	Created When
}

// Option is one choice of a list that shows words for its values.
type Option struct {
	Value  string
	Text   string
	Chosen bool
}

// ClientForm is the fields of an application as they were typed. Field names:
// name, type, redirect_uris and post_logout_redirect_uris (one a line), who
// (everyone, groups), group (repeated), first_party (yes), scope, once, version,
// and those of ClientMore.
type ClientForm struct {
	Name                   string
	Type                   string // web, spa, native, machine
	RedirectURIs           string // one a line
	PostLogoutRedirectURIs string // one a line
	Everyone               bool   // who=everyone, else who=groups
	Groups                 []Choice
	FirstParty             bool
	Scope                  string            // separated by spaces
	Once                   string            // of a new one: makes a form that is sent twice count once
	Version                string            // of what was read; comes back with the form
	More                   *ClientMore       // nil on the page for a new one
	Errors                 map[string]string // field name to what is wrong
}

// ClientMore is the settings that most applications leave alone. Field names
// are those of RFC 7591 metadata and our extensions; more=yes says that the form
// has them.
type ClientMore struct {
	Open            bool // something in it needs another look
	AuthMethods     []Option
	Profiles        []Option
	IDTokenAlgs     []Option
	AccessFormats   []Option
	AccessTokenTTL  string // seconds; "" = the server's
	IDTokenTTL      string
	RefreshTokenTTL string
	Origins         string // one a line
	Backchannel     string // address for logout tokens; "" = none
	Introspects     bool
	RefreshAlways   bool // refresh tokens without offline_access
	Notes           string
	JWKSURI         string // where its public keys are
	JWKS            string // or the keys themselves
}

// AdminClientNew is GET /admin/clients/new, and POST /admin/clients when a
// field needs another look.
type AdminClientNew struct {
	Base
	Form ClientForm
}

// ClientSettings are what somebody types into the application.
type ClientSettings struct {
	ID        string
	Secret    bool // it has one
	Machine   bool // nobody signs in
	Scope     string
	Redirects []string
	SignedOut []string // addresses after sign-out
}

// AdminClientDone shows a client secret, once, as the answer to the POST that
// made it: with a new application, or added to one.
type AdminClientDone struct {
	Base
	ID       string
	Name     string
	Added    bool   // the secret was added to an existing application
	Secret   string // "" = it has none
	OwnKey   bool   // it proves itself by a key of its own
	Sealed   bool   // a sealed copy of the secret is kept: its signatures need it
	Ends     When   // of the secret; zero = it does not end
	Settings ClientSettings
	Facts    []Fact // what was chosen
}

// AdminClient is GET /admin/clients/{id}.
type AdminClient struct {
	Base
	ID       string
	Name     string
	Lead     string // "grafana.meridian.example · Server web app"
	Enabled  bool
	Public   bool // does not prove itself
	OwnKey   bool // proves itself by a key of its own; like a public one it has no secrets
	Secrets  []SecretItem
	Newest   string // id of the newest secret: makes a form that is sent twice count once
	Facts    []Fact
	Form     ClientForm
	Settings ClientSettings
	Notices  *ClientNotices // nil = it is told of nothing
}

// ClientNotices is what became of telling an application of sign-outs.
type ClientNotices struct {
	Address string // "" = it has none any more
	Counts  string // "3 delivered, 1 waiting"; "" = none in the last days
	Items   []NoticeItem
}

// NoticeItem is one notice; its Text is why the last attempt failed.
type NoticeItem struct {
	ToldApp
	When     When
	Attempts string
	Next     When // zero = there is no other attempt
}

// SecretItem is one live secret of an application.
type SecretItem struct {
	ID       string
	Prefix   string // the first letters; "" = somebody brought it
	Made     When
	LastUsed When
	Ends     When // zero = it does not end
	EndsSoon bool
}

// AdminUsers is GET /admin/users.
type AdminUsers struct {
	Base
	Items   []UserItem
	Invites []InviteItem
	Query   string
	Count   string
	Next    string
}

// UserItem is one person of the list.
type UserItem struct {
	ID           string
	Name         string
	Detail       string // e-mail or username
	Admin        bool
	Disabled     bool
	Groups       string
	Passkeys     string // "3", "Only 1, no codes"
	PasskeysWarn bool
	Created      When
}

// InviteItem is an invitation that was not used yet.
type InviteItem struct {
	ID     string
	Who    string // name, e-mail or username; "" = open to whoever has the link
	Admin  bool   // it makes an administrator
	By     string
	Groups string
	Ends   When
}

// AdminInvite is GET /admin/users/invite. Field names: email, username,
// display_name, group (repeated), role (user, admin), days.
type AdminInvite struct {
	Base
	Email, Username, DisplayName string
	Groups                       []Choice
	Admin                        bool
	Days                         []Choice
	Errors                       map[string]string
}

// AdminLink shows a one-time link, once, as the answer to the POST that made
// it.
type AdminLink struct {
	Base
	Recovery  bool   // else an invitation
	For       string // whom it is for; "" = whoever has it
	URL       string
	Expires   When
	Back      string
	BackLabel string
}

// AdminUser is GET /admin/users/{id}.
type AdminUser struct {
	Base
	ID        string
	Name      string
	Lead      string // "ines · ines@meridian.example"
	Admin     bool
	Disabled  bool
	Self      bool // the administrator's own account: neither role nor state can be changed here
	Facts     []Fact
	Groups    []GroupItem
	More      []Choice // groups to put the person into
	Passkeys  []PasskeyItem
	CodesLeft string // "6 recovery codes left", "No recovery codes"
	Sessions  string // "2 sessions", "Not signed in"
	Profile   []Fact // claims that are set, beside name, username and e-mail
}

// AdminUserProfile is GET /admin/users/{id}/profile.
type AdminUserProfile struct {
	Base
	ID   string
	Name string
	Form ProfileForm
}

// AdminConfirm asks before something that cannot be taken back: its form is
// posted to Action.
type AdminConfirm struct {
	Base
	Nav       string // entry of the navigation: clients, users, groups, keys
	Title     string // a question with the name of the thing
	Text      string // what ends
	Refused   string // why it cannot be done, a full sentence; "" = it can
	Action    string
	Button    string // verb and object
	Keep      string // "Keep it": the safe way, which leads back
	Back      string
	BackLabel string
}

// AdminGroups is GET /admin/groups.
type AdminGroups struct {
	Base
	Items []GroupItem
	Next  string // address of the next page; "" = this is the last
	Typed string // refused name of a new group
	Error string // what is wrong with it
}

// GroupItem is one group.
type GroupItem struct {
	ID      string
	Name    string
	Members string // "12 people"
	Created When
}

// AdminGroup is GET /admin/groups/{id}.
type AdminGroup struct {
	Base
	ID      string
	Name    string
	Members []MemberItem
	Next    string       // address of the next page of members; "" = this is the last
	Apps    []ClientItem // open to this group
	Typed   string       // refused person, to be corrected
	Error   string       // what is wrong with it
}

// MemberItem is one person of a group.
type MemberItem struct {
	UserID string
	Name   string
	Detail string
}

// AdminKeys is GET /admin/keys.
type AdminKeys struct {
	Base
	Groups []KeyGroup // one an algorithm
}

// KeyGroup is the keys of one algorithm.
type KeyGroup struct {
	Alg       string
	Keys      []KeyItem // the newest first
	Announced bool      // a successor is published already
	New       bool      // the newest key has a predecessor that is still published
	Waiting   []KeyReaderItem
}

// KeyItem is one published key.
type KeyItem struct {
	KID   string
	State string // "Signs", "Signs later", "Signs no more"
	From  When
	Until When // zero = not decided
	Gone  When // zero = not decided
	MayGo bool // it may be taken out
}

// KeyReaderItem is an application that has not fetched a new key everywhere.
type KeyReaderItem struct {
	ID      string
	Name    string
	Text    string // "1 of 2 places have it, 1 perhaps"
	Called  When
	Fetched When
}

func (AdminKeys) view() view    { return view{name: "admin-keys", frame: "admin", nav: "keys"} }
func (AdminClients) view() view { return view{name: "admin-clients", frame: "admin", nav: "clients"} }
func (AdminClientNew) view() view {
	return view{name: "admin-client-new", frame: "admin", width: "narrow", nav: "clients"}
}
func (AdminClientDone) view() view {
	return view{name: "admin-client-done", frame: "admin", width: "narrow", nav: "clients"}
}
func (AdminClient) view() view {
	return view{name: "admin-client-detail", frame: "admin", width: "narrow", nav: "clients"}
}
func (AdminUsers) view() view { return view{name: "admin-users", frame: "admin", nav: "users"} }
func (AdminInvite) view() view {
	return view{name: "admin-invite", frame: "admin", width: "narrow", nav: "users"}
}
func (AdminLink) view() view {
	return view{name: "admin-link", frame: "admin", width: "narrow", nav: "users"}
}
func (AdminUser) view() view {
	return view{name: "admin-user-detail", frame: "admin", width: "narrow", nav: "users"}
}
func (AdminUserProfile) view() view {
	return view{name: "admin-user-profile", frame: "admin", width: "narrow", nav: "users"}
}
func (p AdminConfirm) view() view {
	return view{name: "admin-confirm", frame: "admin", width: "narrow", nav: p.Nav}
}
func (AdminGroups) view() view {
	return view{name: "admin-groups", frame: "admin", width: "narrow", nav: "groups"}
}
func (AdminGroup) view() view {
	return view{name: "admin-group-detail", frame: "admin", width: "narrow", nav: "groups"}
}
