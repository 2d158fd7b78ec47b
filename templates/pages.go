package templates

// allPages has every page once; New parses the file of each.
var allPages = []Page{
	Setup{}, Invite{}, Login{}, StepUp{}, Recover{}, RecoveryCodes{},
	Consent{}, HandOver{}, FormPost{}, Logout{}, SignedOut{}, Error{},
	AccountProfile{}, AccountPasskeys{}, AccountPasskeyRemove{}, AccountRecovery{}, AccountSessions{}, AccountApps{},
	AdminClients{}, AdminClientNew{}, AdminClientDone{}, AdminClient{},
	AdminRegistration{}, AdminTokenDone{},
	AdminUsers{}, AdminInvite{}, AdminLink{}, AdminUser{}, AdminUserProfile{}, AdminGroups{}, AdminGroup{}, AdminKeys{}, AdminConfirm{},
}

// Base is what every page may show.
type Base struct {
	Person *Person // who is signed in; nil = nobody. The pages below /account and /admin need it
	Status string  // one sentence for the status line (role=status); "" = silent
	Alert  *Alert  // something failed; the title of the page then begins with "Error:"
}

func (b Base) base() Base { return b }

// Person is who is signed in.
type Person struct {
	Name   string // display name, or the username when there is none
	Detail string // e-mail address or username
	Admin  bool   // sees the switch between Account and Admin
}

// Alert is a failure on a page that still works. Title and Text come from the
// catalogue of words by Code; set them only to say something more exact.
type Alert struct {
	Code   string // stable; data-code
	Title  string
	Text   string
	Detail string // for support, such as the request number; "" = none
}

// Hidden is one hidden field of a form.
type Hidden struct{ Name, Value string }

// Setup is GET /setup. The token stands in the fragment of the address, which
// only the browser knows; without one the page says where to find the link.
type Setup struct{ Base }

// Invite is GET /invite; the token stands in the fragment.
type Invite struct{ Base }

// Login is GET /login when nobody is signed in.
type Login struct {
	Base
	Request  string // id of the waiting authorization request; "" = none
	App      string // name of the application that waits; "" = none
	Facts    AppFacts
	Username string // what the application already knows (login_hint)
	Cancel   string // action of form#cancel, such as "/consent"; "" = no form
	Return   string // local path to go to afterwards instead of the answer's redirect_to; "" = none
}

// StepUp is "Confirm it's you": GET /login with a session, for an application
// (Request set) or for a sensitive action (Return set). Base.Person is who has
// to confirm.
type StepUp struct {
	Base
	Request string // id of the waiting authorization request; "" = none
	App     string // name of the application that waits; "" = none
	Facts   AppFacts
	Reason  string  // a full sentence: what for, and why again
	Cancel  string  // action of form#cancel; "" = no form
	Return  string  // local path to go to afterwards; "" = redirect_to of the answer
	Resume  *Resume // the form to send again afterwards; nil = none
	Back    string  // where "Go back" leads when there is no application; "" = no link
	Switch  string  // where "Switch account" leads; "" = /logout, which asks and signs out
}

// Resume is a form whose sender had to confirm first: it is sent again as it
// was.
type Resume struct {
	Action string // local path
	Fields []Hidden
}

// Recover is GET /recover. A recovery link's token stands in the fragment.
type Recover struct {
	Base
	Ready bool // this browser has a recovery session: only the new passkey is left to make
}

// RecoveryCodes shows new recovery codes, once, as the answer to the POST that
// made them.
type RecoveryCodes struct {
	Base
	Codes    []string // XXXX-XXXX-XXXX-XXXX
	Username string
	Made     string // date
	Next     string // local path that "Continue" leads to
}

// Consent is GET /consent?request=ID.
type Consent struct {
	Base
	App    string
	Facts  AppFacts
	Host   string // where the application gets its answer: host of the redirect URI, or its scheme
	Added  string // a full sentence: who connected it and when; "" = not said
	Read   []string
	Act    []string
	Stay   []string
	Action string // "" = the page's own address
	Hidden []Hidden
	Switch string // where "Switch" leads; "" = no link
}

// HandOver leads to an application after a form was posted: 200, with a
// refresh and a link, because form-action would apply to a redirect.
type HandOver struct {
	Base
	URL string // checked address of the application, with the answer
	App string
}

// FormPost hands an answer to an application by a POST (response_mode
// form_post). Its route adds the address to form-action.
type FormPost struct {
	Base
	URL    string
	App    string
	Hidden []Hidden
}

// Logout asks whether to sign out.
type Logout struct {
	Base
	App    string // the application that asked; "" = the person did
	Action string // where the form goes: /logout or /oauth2/logout
	Hidden []Hidden
	Back   string // local path for "Stay signed in"; "" = /account
}

// SignedOut says that the session ended.
type SignedOut struct {
	Base
	Apps   []ToldApp // applications that are told
	Frames []string  // checked addresses that the browser has to load; the page then goes on to URL by itself
	URL    string    // where the application wanted the person to go; "" = sign in again
	App    string
}

// Error is a refusal without a page of its own. Title and Text come from the
// catalogue by Code unless set.
type Error struct {
	Base
	Code       string // stable; data-code
	Title      string
	Text       string
	Advice     string   // what the person can do; "" = not said
	Support    string   // request number; "" = none
	AdminTitle string   // such as "For the administrator of Wiki"
	AdminText  string   // the cause, for administrators; "" = none
	Back       string   // local path or checked address of the application; "" = where the catalogue leads, else the start
	BackLabel  string   // "" = "Back to the start"
	BackFields []Hidden // posted to Back instead of a link
}

// Words are the title and text of the refusal, to be completed from the
// catalogue.
func (e Error) Words() *Alert { return &Alert{Code: e.Code, Title: e.Title, Text: e.Text} }

func (Setup) view() view         { return view{name: "setup", frame: "stage", width: "wide"} }
func (Invite) view() view        { return view{name: "invite", frame: "stage"} }
func (Login) view() view         { return view{name: "login", frame: "stage"} }
func (StepUp) view() view        { return view{name: "stepup", frame: "stage"} }
func (Recover) view() view       { return view{name: "recover", frame: "stage"} }
func (RecoveryCodes) view() view { return view{name: "recovery-codes", frame: "stage", width: "mid"} }
func (Consent) view() view       { return view{name: "consent", frame: "stage"} }
func (HandOver) view() view      { return view{name: "hand-over", frame: "stage"} }
func (FormPost) view() view      { return view{name: "form-post", frame: "stage"} }
func (Logout) view() view        { return view{name: "logout", frame: "stage"} }
func (Error) view() view         { return view{name: "error", frame: "stage"} }

// view has room for what stands beside the names of applications.
func (s SignedOut) view() view {
	if len(s.Apps) > 0 {
		return view{name: "signed-out", frame: "stage", width: "mid"}
	}
	return view{name: "signed-out", frame: "stage"}
}
