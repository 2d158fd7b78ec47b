package storage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"latchkey"
	"latchkey/seal"
)

// personalParts is what an event says of people: of whoever acted (address,
// browser, operator) and of whom it is about (names). They may be two people,
// and each must be erasable alone.
type personalParts struct {
	Actor   map[string]string `json:"actor,omitempty"`
	Subject map[string]string `json:"subject,omitempty"`
}

// nobody owns the personal parts that describe no person known here. Their key
// is that of the month, destroyed with the retention.
const nobody = ""

// owners says under whose key the parts of an event belong: a person's id, or
// nobody. What a browser shows before sign-in describes the person it is about
// as far as anybody knows. An operator at the command line is not erased with
// the person that the act was about.
func owners(e *latchkey.RecordedEvent) (actor, subject string) {
	switch e.ActorKind {
	case latchkey.ActorUser:
		return e.ActorID, e.Subject
	case latchkey.ActorOperator:
		return nobody, e.Subject
	}
	return e.Subject, e.Subject
}

// byOwner merges the parts that have one owner.
func (p personalParts) byOwner(e *latchkey.RecordedEvent) map[string]map[string]string {
	actor, subject := owners(e)
	out := map[string]map[string]string{}
	add := func(owner string, part map[string]string) {
		if len(part) > 0 && out[owner] == nil {
			out[owner] = map[string]string{}
		}
		for name, value := range part {
			out[owner][name] = value
		}
	}
	add(actor, p.Actor)
	add(subject, p.Subject)
	return out
}

// The personal column of a leaf: format (1 byte), then for each owner the id of
// the key (16), the length of what follows (4, big endian) and the text, a JSON
// object, as seal.Single sealed it. Null when there is none, or when every owner
// was erased before the event came into the tree.
const (
	personalFormat = 1
	personalHead   = 16 + 4
)

// personKey is a row of person_keys, opened.
type personKey struct {
	id    string
	owner string // nobody for a monthly one
	key   seal.Single
	gone  bool  // destroyed: its owner is erased
	err   error // the key itself does not open
}

func personalPlace(eventID, keyID string) seal.Place {
	return seal.Place{Table: "audit_leaf", Column: "personal", Row: eventID, Owner: keyID}
}

// resealPersonal turns the personal part of a pending event into that of a
// leaf. keys are by owner and complete.
func resealPersonal(e *latchkey.RecordedEvent, parts map[string]map[string]string, keys map[string]personKey) ([]byte, error) {
	var column []byte
	for _, owner := range slices.Sorted(maps.Keys(parts)) {
		k, ok := keys[owner]
		if !ok {
			return nil, fmt.Errorf("no key for the owner of event %s", e.ID)
		}
		if k.err != nil {
			return nil, fmt.Errorf("open person key %s: %w", k.id, k.err)
		}
		if k.gone {
			continue
		}
		plain, err := json.Marshal(parts[owner])
		if err != nil {
			return nil, err
		}
		sealed, err := k.key.Seal(personalPlace(e.ID, k.id), plain)
		if err != nil {
			return nil, err
		}
		id, err := uuid.Parse(k.id)
		if err != nil {
			return nil, err
		}
		if column == nil {
			column = []byte{personalFormat}
		}
		column = append(column, id[:]...)
		column = binary.BigEndian.AppendUint32(column, uint32(len(sealed)))
		column = append(column, sealed...)
	}
	return column, nil
}

// sealedPart is one part of a personal column.
type sealedPart struct {
	keyID  string
	sealed []byte
}

var errPersonalShape = errors.New("the personal part is not in a known format")

// splitPersonal reads the frame of a personal column. Null has no parts.
func splitPersonal(column []byte) (parts []sealedPart, err error) {
	if column == nil {
		return nil, nil
	}
	if len(column) < 1+personalHead || column[0] != personalFormat {
		return nil, errPersonalShape
	}
	for rest := column[1:]; len(rest) > 0; {
		if len(rest) < personalHead {
			return nil, errPersonalShape
		}
		n := int64(binary.BigEndian.Uint32(rest[16:personalHead]))
		if int64(len(rest)-personalHead) < n {
			return nil, errPersonalShape
		}
		parts = append(parts, sealedPart{keyID: uuid.UUID(rest[:16]).String(), sealed: rest[personalHead : personalHead+n]})
		rest = rest[personalHead+n:]
	}
	return parts, nil
}

// openPersonal opens what of a personal column still has its key, by id in
// keys. Parts whose key was destroyed are left out; a part that does not open
// although its key lives, or that names no key at all, is ErrSealMismatch.
func openPersonal(eventID string, column []byte, keys map[string]personKey) (map[string]string, error) {
	parts, err := splitPersonal(column)
	if err != nil {
		return nil, errors.Join(latchkey.ErrSealMismatch, err)
	}
	personal := map[string]string{}
	for _, part := range parts {
		k, ok := keys[part.keyID]
		if !ok {
			return nil, fmt.Errorf("%w: there is no key %s", latchkey.ErrSealMismatch, part.keyID)
		}
		if k.err != nil {
			return nil, errors.Join(latchkey.ErrSealMismatch, k.err)
		}
		if k.gone {
			continue
		}
		plain, err := k.key.Open(personalPlace(eventID, k.id), part.sealed)
		if err != nil {
			return nil, errors.Join(latchkey.ErrSealMismatch, err)
		}
		if err := json.Unmarshal(plain, &personal); err != nil {
			return nil, errors.Join(latchkey.ErrSealMismatch, err)
		}
	}
	return personal, nil
}

// openParts opens the personal part of a pending event.
func (qs *queries) openParts(eventID string, column []byte) (parts personalParts, err error) {
	if column == nil {
		return parts, nil
	}
	plain, err := qs.open("audit_pending", "personal", eventID, "", column)
	if err != nil {
		return parts, err
	}
	if err := json.Unmarshal(plain, &parts); err != nil {
		return personalParts{}, errors.Join(latchkey.ErrSealMismatch, err)
	}
	return parts, nil
}

// personalHash is what a leaf holds of the personal part: the hash of its
// ciphertext, of nothing when there is none. Never of text, which could be
// guessed.
func personalHash(column []byte) [sha256.Size]byte { return sha256.Sum256(column) }

const personKeyColumns = ` id, coalesce(user_id::text, ''), key `

func (qs *queries) scanPersonKey(row pgx.CollectableRow) (personKey, error) {
	var k personKey
	var sealed []byte
	if err := row.Scan(&k.id, &k.owner, &sealed); err != nil {
		return k, err
	}
	if sealed == nil {
		k.gone = true
		return k, nil
	}
	secret, err := qs.open("person_keys", "key", k.id, k.owner, sealed)
	if err == nil {
		k.key, err = seal.ReadSingle(secret)
	}
	k.err = err
	return k, nil
}

// personKeysByID reads the keys that personal columns name.
func (qs *queries) personKeysByID(ctx context.Context, q querier, ids []string) (map[string]personKey, error) {
	keys := map[string]personKey{}
	if len(ids) == 0 {
		return keys, nil
	}
	found, err := list(ctx, q, `SELECT`+personKeyColumns+`FROM person_keys WHERE id = ANY(@ids::uuid[])`, args{"ids": ids}, qs.scanPersonKey)
	if err != nil {
		return nil, fmt.Errorf("read person keys: %w", err)
	}
	for _, k := range found {
		keys[k.id] = k
	}
	return keys, nil
}

// ensurePersonKeys returns the key of every owner, and makes those that are
// missing. Two that make the same key at once agree on the first.
func (tx *Tx) ensurePersonKeys(ctx context.Context, owners []string) (map[string]personKey, error) {
	keys, err := tx.personKeysOf(ctx, owners)
	if err != nil || len(keys) == len(owners) {
		return keys, err
	}
	b := &pgx.Batch{}
	for _, owner := range owners {
		if _, ok := keys[owner]; ok {
			continue
		}
		id, sealed, err := tx.newPersonKey(owner)
		if err != nil {
			return nil, err
		}
		if owner == nobody {
			b.Queue(`
				INSERT INTO person_keys (id, month, key)
				VALUES (@id, date_trunc('month', now() AT TIME ZONE 'UTC')::date, @key)
				ON CONFLICT DO NOTHING`, args{"id": id, "key": sealed})
			continue
		}
		b.Queue(insertPersonKey, args{"person_key": id, "person_key_for": owner, "person_key_sealed": sealed})
	}
	if err := send(ctx, tx.tx, b); err != nil {
		return nil, fmt.Errorf("make person keys: %w", err)
	}
	return tx.personKeysOf(ctx, owners)
}

// insertPersonKey stores the key of a person and returns its id: that of the one
// there is already when there is one, destroyed or not. Whoever was erased stays
// erased.
const insertPersonKey = `
	INSERT INTO person_keys (id, user_id, key) VALUES (@person_key, @person_key_for, @person_key_sealed)
	ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id
	RETURNING id`

// newPersonKey makes a key for an owner and seals it.
func (qs *queries) newPersonKey(owner string) (id string, sealed []byte, err error) {
	id = newID()
	sealed, err = qs.seal("person_keys", "key", id, owner, seal.NewSingle().Secret())
	if err != nil {
		return "", nil, fmt.Errorf("seal person key: %w", err)
	}
	return id, sealed, nil
}

// personKeysOf reads the keys of owners, that of this month for nobody.
func (tx *Tx) personKeysOf(ctx context.Context, owners []string) (map[string]personKey, error) {
	keys := map[string]personKey{}
	if len(owners) == 0 {
		return keys, nil
	}
	people := slices.DeleteFunc(slices.Clone(owners), func(owner string) bool { return owner == nobody })
	found, err := list(ctx, tx.tx, `
		SELECT`+personKeyColumns+`FROM person_keys
		WHERE user_id = ANY(@people::uuid[]) OR @month AND month = date_trunc('month', now() AT TIME ZONE 'UTC')::date`,
		args{"people": people, "month": len(people) < len(owners)}, tx.scanPersonKey)
	if err != nil {
		return nil, fmt.Errorf("read person keys: %w", err)
	}
	for _, k := range found {
		keys[k.owner] = k
	}
	return keys, nil
}
