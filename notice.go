package latchkey

import (
	"strings"
	"time"
)

// Notice is what became of telling one application that a session of one person
// is over (OpenID Connect Back-Channel Logout 1.0).
type Notice struct {
	ID        string
	ClientID  string
	App       string // name of the application; its id once it is gone
	State     NoticeState
	Reason    string // code of why the last attempt failed; "" = none did
	Attempts  int
	CreatedAt time.Time // when the session ended
	NextAt    time.Time // of the next attempt; zero when there is none
	DoneAt    time.Time // when it was delivered or given up; zero while pending
}

// NoticeState is how far a notice has come.
type NoticeState string

// The states of a notice.
const (
	NoticePending   NoticeState = "pending"
	NoticeDelivered NoticeState = "delivered"
	NoticeFailed    NoticeState = "failed" // given up
)

// Reasons of an attempt that failed. One that an application answered with
// another status than 200 or 204 is NoticeStatus with that number.
const (
	NoticeNoAnswer   = "no_answer"      // no connection, or none in time
	NoticeResting    = "resting"        // the host failed too often just now and was not asked
	NoticeRedirect   = "redirect"       // it answered with another address, which is not followed
	NoticeBlocked    = "blocked"        // the address may not be gone to (--outbound-allow)
	NoticeNoAddress  = "no_address"     // the application has no address for it any more
	NoticeNoApp      = "no_application" // it was deleted
	NoticeUnreadable = "unreadable"     // the notice was sealed by a key that is gone
	NoticeStatus     = "status_"
)

// Why is the reason in words; "" when nothing failed.
func (n *Notice) Why() string {
	switch n.Reason {
	case "":
		return ""
	case NoticeNoAnswer:
		return "It did not answer."
	case NoticeResting:
		return "It failed too often just now."
	case NoticeRedirect:
		return "It answered with another address."
	case NoticeBlocked:
		return "Its address is not allowed (--outbound-allow)."
	case NoticeNoAddress:
		return "It has no address for it any more."
	case NoticeNoApp:
		return "It was deleted."
	case NoticeUnreadable:
		return "The notice was sealed by a key that is gone."
	}
	if status, ok := strings.CutPrefix(n.Reason, NoticeStatus); ok {
		return "It answered with status " + status + "."
	}
	return "It failed (" + n.Reason + ")."
}

// Tried tells whether an attempt was made and is over.
func (n *Notice) Tried() bool { return n.State != NoticePending || n.Reason != "" }
