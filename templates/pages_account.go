package templates

// AccountProfile is GET /account/profile.
type AccountProfile struct {
	Base
	Facts []Fact // what only administrators change
	Form  ProfileForm
}

// AccountPasskeys is GET /account/passkeys.
type AccountPasskeys struct {
	Base
	Items   []PasskeyItem
	Codes   RecoveryState
	Signals string // JSON as the API's `signals`, after a change of the list; "" = none
}

// PasskeyItem is one passkey of the person.
type PasskeyItem struct {
	ID       string
	Name     string
	Kind     string // laptop, phone or usb: the icon
	Provider string // "iCloud Keychain", "Security key"; "" = not known
	Synced   bool   // else the row says that it is only on this device or key
	Current  bool   // made this session
	Created  When
	LastUsed When
	Open     bool   // the form to rename is open (?rename=ID, or just added)
	Error    string // what is wrong with the new name; "" = nothing
	Typed    string // the refused new name, to be corrected
}

// RecoveryState is how many recovery codes are left.
type RecoveryState struct {
	Left, Total int
	Made        When // zero = none were made
	LastUsed    When // zero = never
}

// AccountPasskeyRemove is GET /account/passkeys/{id}/remove: the same question
// as the dialog.
type AccountPasskeyRemove struct {
	Base
	ID      string
	Name    string
	Where   string // provider to delete it in as well; "" = not known
	Current bool   // it made this session, which ends with it
	Refused string // why it cannot be deleted, a full sentence; "" = it can
	Typed   string // what has to be typed into the field `confirm`; "" = nothing
	Error   string // what is wrong with what was typed; "" = nothing
}

// AccountRecovery is GET /account/recovery-codes.
type AccountRecovery struct {
	Base
	Codes RecoveryState
}

// AccountSessions is GET /account/sessions.
type AccountSessions struct {
	Base
	Items  []SessionItem
	Told   []ToldApp // of the last sign-out that anybody was told of
	ToldAt When
	Length string // "A session ends 1 hour after you last did something, and never lasts longer than 12 hours."
}

// SessionItem is one browser in which the person is signed in.
type SessionItem struct {
	ID       string
	Name     string // "Firefox on Linux"
	Kind     string // laptop, phone or code: the icon
	Current  bool
	Recovery bool   // may only make a passkey
	Place    string // network address; "" = not known
	Passkey  string // name of the passkey that made it; "" = gone
	SignedIn When
	LastSeen When
}

// AccountApps is GET /account/apps.
type AccountApps struct {
	Base
	Items    []AppItem
	Provided []AppItem // first-party applications: no consent to take back
}

// AppItem is an application that may use the account.
type AppItem struct {
	ClientID string
	Name     string
	Host     string // where it lives; "" = not known
	Allowed  When
	Used     When // zero = not known
	Stays    bool // has offline access
	Can      []string
	URL      string // where "Open" leads; "" = no link
}

func (AccountProfile) view() view {
	return view{name: "account-profile", frame: "account", width: "narrow", nav: "profile"}
}
func (AccountPasskeys) view() view {
	return view{name: "account-passkeys", frame: "account", width: "narrow", nav: "passkeys"}
}
func (AccountPasskeyRemove) view() view {
	return view{name: "account-passkey-remove", frame: "account", width: "narrow", nav: "passkeys"}
}
func (AccountRecovery) view() view {
	return view{name: "account-recovery", frame: "account", width: "narrow", nav: "recovery"}
}
func (AccountSessions) view() view {
	return view{name: "account-sessions", frame: "account", width: "narrow", nav: "sessions"}
}
func (AccountApps) view() view {
	return view{name: "account-apps", frame: "account", width: "narrow", nav: "apps"}
}
