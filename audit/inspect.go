package audit

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"latchkey/storage"
)

// inspect compares a stored leaf with itself: bytes with the hash beside them,
// columns and sealed part with the bytes. It returns what is wrong, or "".
func inspect(row *storage.AuditLeaf) string {
	if h := tlog.RecordHash(row.Bytes); !bytes.Equal(h[:], row.Hash) {
		return "the leaf does not have the hash that stands beside it"
	}
	// Columns that make the very same bytes say the same. Only when they do not
	// is it worth finding out where.
	if same, err := leafOf(row).encode(); err != nil || !bytes.Equal(same, row.Bytes) {
		return differences(row)
	}
	if row.PersonalErr != nil {
		return "the personal part does not open although its key lives"
	}
	return ""
}

// differences names the first column that is not as the leaf says.
func differences(row *storage.AuditLeaf) string {
	leaf, err := ParseLeaf(row.Bytes)
	if err != nil {
		return err.Error()
	}
	is, was := &row.Event, &leaf.Event
	for _, column := range []struct {
		name string
		same bool
	}{
		{"id", is.ID == was.ID},
		{"created_at", is.Time.Equal(was.Time)},
		{"sequenced_at", row.SequencedAt.Equal(leaf.SequencedAt)},
		{"kind", is.Kind == was.Kind},
		{"actor_kind", is.ActorKind == was.ActorKind},
		{"actor_id", is.ActorID == was.ActorID},
		{"subject", is.Subject == was.Subject},
		{"client_id", is.ClientID == was.ClientID},
		{"passkey_id", is.PasskeyID == was.PasskeyID},
		{"session_id", is.SessionID == was.SessionID},
		{"success", is.Outcome == was.Outcome},
		{"reason", is.Reason == was.Reason},
		{"request_id", is.RequestID == was.RequestID},
		{"address_prefix", is.Prefix == was.Prefix},
		{"agent", is.Agent == was.Agent},
	} {
		if !column.same {
			return fmt.Sprintf("the column %s is not as the leaf says", column.name)
		}
	}
	if row.PersonalHash != leaf.PersonalHash {
		if row.PersonalHash == sha256.Sum256(nil) {
			return "the personal part is gone"
		}
		return "the personal part is not the one that the leaf was made with"
	}
	return "the column detail is not as the leaf says"
}
