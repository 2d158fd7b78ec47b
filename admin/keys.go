package admin

import (
	"context"
	"slices"
	"time"

	"latchkey"
)

// KeyOut is a signing key as commands print it: never its private half.
type KeyOut struct {
	KID        string            `json:"kid"`
	Alg        string            `json:"alg"`
	State      latchkey.KeyState `json:"state"`
	CreatedAt  time.Time         `json:"created_at"`
	ActivateAt time.Time         `json:"activate_at"` // from when it signs
	RetireAt   *time.Time        `json:"retire_at"`   // when it signs no more; null = not decided
	DeleteAt   *time.Time        `json:"delete_at"`   // when it leaves the JWKS; null = not decided
	// NotFetchedBy are the applications that have not fetched this new key yet;
	// null of a key that is not new: one without a published predecessor.
	NotFetchedBy []KeyReaderOut `json:"not_fetched_by"`
}

// KeyReaderOut is an application that has to know a new key, and calls from
// places that have not fetched it.
type KeyReaderOut struct {
	ClientID   string     `json:"client_id"`
	ClientName string     `json:"client_name"`
	Callers    int        `json:"callers"` // places it calls from: address and agent
	Fetched    int        `json:"fetched"` // of them that fetched the key
	Perhaps    int        `json:"perhaps"` // of the others: another agent at the same address did
	CalledAt   time.Time  `json:"called_at"`
	FetchedAt  *time.Time `json:"fetched_at"` // null = the key set was never fetched from there
}

// Keys lists the published signing keys, by algorithm, the newest first.
func (s *Service) Keys(ctx context.Context) ([]KeyOut, error) {
	published, err := s.keys.List(ctx)
	if err != nil {
		return nil, err
	}
	readers, err := s.db.SuccessorReaders(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]KeyOut, 0, len(published))
	for _, k := range published {
		next := KeyOut{
			KID: k.KID, Alg: k.Alg, State: k.State, CreatedAt: k.CreatedAt.UTC(), ActivateAt: k.ActivateAt.UTC(),
			RetireAt: orNull(k.RetireAt), DeleteAt: orNull(k.DeleteAt),
		}
		if all, isNew := readers[k.KID]; isNew {
			next.NotFetchedBy = waiting(all)
		}
		out = append(out, next)
	}
	return out, nil
}

// waiting are those who have not fetched a key everywhere.
func waiting(readers []latchkey.KeyReader) []KeyReaderOut {
	out := []KeyReaderOut{}
	for _, r := range readers {
		if !r.HasKey() {
			out = append(out, KeyReaderOut{ClientID: r.ClientID, ClientName: r.ClientName, Callers: r.Callers, Fetched: r.Fetched,
				Perhaps: r.Perhaps, CalledAt: r.CalledAt.UTC(), FetchedAt: orNull(r.FetchedAt)})
		}
	}
	return out
}

// RotateKeys makes a new key of an algorithm, or of each that signs when alg is
// "". It signs after a day, or at once; then the keys before it retire. A key to
// encrypt to takes its place at once.
func (s *Service) RotateKeys(ctx context.Context, alg string, atOnce bool) ([]KeyOut, error) {
	algs := latchkey.SigningAlgs()
	if alg != "" {
		if !slices.Contains(append(algs, latchkey.DecryptionAlgs()...), alg) {
			return nil, latchkey.InvalidFields(map[string]string{"alg": "Signing keys are RS256, ES256, PS256 or EdDSA. Keys to encrypt to are RSA-OAEP-256 or ECDH-ES."})
		}
		algs = []string{alg}
	}
	if err := s.keys.Rotate(ctx, algs, atOnce); err != nil {
		return nil, err
	}
	return s.Keys(ctx)
}

// RetireKey takes a key out of the JWKS at once: what it signed is refused from
// then on. The key that signs is refused.
func (s *Service) RetireKey(ctx context.Context, kid string) ([]KeyOut, error) {
	if err := s.keys.Retire(ctx, kid); err != nil {
		return nil, err
	}
	return s.Keys(ctx)
}
