package latchkey

import "errors"

// The kinds of failure that callers may tell apart with errors.Is. Whatever is
// none of them is internal: it is logged whole and answered with a request
// number only.
var (
	ErrNotFound     = errors.New("not found")             // no such thing, or not this owner's
	ErrConflict     = errors.New("conflict")              // the state does not allow it
	ErrForbidden    = errors.New("forbidden")             // a rule forbids it
	ErrInvalid      = errors.New("invalid")               // the input is wrong
	ErrExpired      = errors.New("expired")               // it was right once
	ErrUnauthorized = errors.New("not signed in")         // who you are is not shown
	ErrUnavailable  = errors.New("database unavailable")  // try again soon
	ErrLimited      = errors.New("too many tries")        // try again later
	ErrSealMismatch = errors.New("sealed value mismatch") // a stored value does not open where it stands
)

// Problem is an error with words that a person may read. Code is stable: it is
// the key of the catalogue of messages and the code member of RFC 9457 answers.
type Problem struct {
	Kind    error             // one of the kinds above; decides the status
	Code    string            // such as "last_passkey"
	Message string            // one or two sentences: what happened, what to do
	Fields  map[string]string // for validation_failed: field name to what is wrong
	Extra   map[string]any    // further members of the answer, such as signal or max_age
	Status  int               // HTTP status where the kind's own is not right; 0 = by Kind
	Cause   error             // for the log only
}

// Error gives code and cause; it is meant for the log.
func (p *Problem) Error() string {
	if p.Cause != nil {
		return p.Code + ": " + p.Cause.Error()
	}
	return p.Code
}

// Unwrap makes errors.Is see both the kind and the cause.
func (p *Problem) Unwrap() []error {
	if p.Cause != nil {
		return []error{p.Kind, p.Cause}
	}
	return []error{p.Kind}
}

// Refuse makes a Problem of a kind with a code and its words.
func Refuse(kind error, code, message string) *Problem {
	return &Problem{Kind: kind, Code: code, Message: message}
}

// InvalidFields makes the Problem for input whose named fields are wrong.
func InvalidFields(fields map[string]string) *Problem {
	return &Problem{Kind: ErrInvalid, Code: "validation_failed", Message: "Some fields need another look.", Fields: fields, Status: 422}
}

// CodeOf returns the stable code of err, or "" when it has none.
func CodeOf(err error) string {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p.Code
	}
	return ""
}
