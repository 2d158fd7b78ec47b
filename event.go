package latchkey

import "time"

// EventKind is `noun.verb`, the stable name of what happened.
type EventKind string

// The kinds of event (CONTRACT: audit events).
const (
	UserInvited          EventKind = "user.invited"
	UserRegistered       EventKind = "user.registered"
	UserUpdated          EventKind = "user.updated"
	UserDisabled         EventKind = "user.disabled"
	UserEnabled          EventKind = "user.enabled"
	PasskeyRegistered    EventKind = "passkey.registered"
	PasskeyUsed          EventKind = "passkey.used"
	PasskeyRefused       EventKind = "passkey.refused"
	PasskeyRenamed       EventKind = "passkey.renamed"
	PasskeyDeleted       EventKind = "passkey.deleted"
	PasskeyCloneSuspect  EventKind = "passkey.clone_suspected"
	RecoveryCodesMade    EventKind = "recovery.codes_made"
	RecoveryStarted      EventKind = "recovery.started"
	RecoveryRefused      EventKind = "recovery.refused"
	SessionStarted       EventKind = "session.started"
	SessionSteppedUp     EventKind = "session.stepped_up"
	SessionEnded         EventKind = "session.ended"
	LogoutDelivered      EventKind = "logout.delivered"
	LogoutFailed         EventKind = "logout.failed"
	ConsentGranted       EventKind = "consent.granted"
	ConsentDenied        EventKind = "consent.denied"
	ConsentRevoked       EventKind = "consent.revoked"
	AuthorizationGranted EventKind = "authorization.granted"
	AuthorizationRefused EventKind = "authorization.refused"
	TokenIssued          EventKind = "token.issued"
	TokenRefreshed       EventKind = "token.refreshed"
	TokenRefused         EventKind = "token.refused"
	TokenRevoked         EventKind = "token.revoked"
	CodeReused           EventKind = "code.reused"
	RefreshReused        EventKind = "refresh.reused"
	RefreshGraceUsed     EventKind = "refresh.grace_used"
	ClientRegistered     EventKind = "client.registered"
	ClientUpdated        EventKind = "client.updated"
	ClientDeleted        EventKind = "client.deleted"
	ClientSecretAdded    EventKind = "client.secret_added"
	ClientSecretRevoked  EventKind = "client.secret_revoked"
	ClientAuthFailed     EventKind = "client.auth_failed"
	RegistrationRefused  EventKind = "registration.refused" // an application that would register or change itself
	InitialTokenCreated  EventKind = "initial_token.created"
	InitialTokenRevoked  EventKind = "initial_token.revoked"
	APICreated           EventKind = "api.created"
	APIUpdated           EventKind = "api.updated"
	APIDeleted           EventKind = "api.deleted"
	APIAllowed           EventKind = "api.allowed" // an application may get tokens for it
	APIDenied            EventKind = "api.denied"  // an application may no longer
	KeyRotated           EventKind = "key.rotated"
	KeyRetired           EventKind = "key.retired"
	SettingsChanged      EventKind = "settings.changed"
	AuditVerified        EventKind = "audit.verified"
	LinkCreated          EventKind = "link.created"
	LinkUsed             EventKind = "link.used"
	LinkRevoked          EventKind = "link.revoked" // ended before anybody used it
	GroupCreated         EventKind = "group.created"
	GroupUpdated         EventKind = "group.updated"
	GroupDeleted         EventKind = "group.deleted"
	MemberAdded          EventKind = "member.added"
	MemberRemoved        EventKind = "member.removed"
	RoleGranted          EventKind = "role.granted"
	RoleRevoked          EventKind = "role.revoked"
	OutboundBlocked      EventKind = "outbound.blocked"
	AdminDenied          EventKind = "admin.denied"
	SealMismatch         EventKind = "seal.mismatch"
)

// Outcome says whether what an event tells of succeeded.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
)

// Event is one line of the audit log, as the changing code states it. Actor,
// address, user agent and request id come from the context.
//
// The public part holds ids only: no name and no address. Personal holds the
// rest and is sealed, at last under the key of the person it describes.
type Event struct {
	Kind      EventKind
	Subject   string // user id the event is about; also whose key seals Personal
	ClientID  string
	PasskeyID string
	SessionID string
	GrantID   string
	Object    string            // id of another thing: group, link, signing key
	Outcome   Outcome           // zero value = success
	Reason    string            // stable code of a failure or of why
	Detail    map[string]any    // public: counts, codes, names of scopes; never names of people or addresses
	Personal  map[string]string // sealed: names, addresses typed by people
}

// RecordedEvent is an event as it stands in the log.
type RecordedEvent struct {
	Index     *int64 // place in the tree; nil while pending
	ID        string
	Time      time.Time
	Kind      EventKind
	ActorKind ActorKind
	ActorID   string // user id or client id
	Subject   string
	ClientID  string
	PasskeyID string
	SessionID string
	Outcome   Outcome
	Reason    string
	RequestID string
	Prefix    string            // address prefix
	Agent     string            // family and system
	Detail    []byte            // public; a JSON object
	Personal  map[string]string // opened, where the key still lives
}
