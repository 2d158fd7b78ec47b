package admin

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"

	"latchkey"
	"latchkey/storage"
)

// ListClients lists applications by name, searched and paged.
func (s *Service) ListClients(ctx context.Context, q storage.ClientQuery) (*storage.ClientPage, error) {
	return s.db.Clients(ctx, q)
}

// FindClient returns the application of an id.
func (s *Service) FindClient(ctx context.Context, id string) (*latchkey.Client, error) {
	if !latchkey.ClientID(id) {
		return nil, storage.NoClient()
	}
	c, err := s.db.FindClient(ctx, id)
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil, storage.NoClient()
	}
	return c, err
}

// Registered is a new application. Secret is shown once, by whoever made it.
type Registered struct {
	Client *latchkey.Client
	Secret string // "" = it has none, or none that was made just now
}

// Document is the answer of RFC 7591 §3.2.1.
func (r *Registered) Document() *latchkey.ClientDocument {
	d := r.Client.Document()
	d.ClientSecret = r.Secret
	return d
}

// CreateClient registers an application. What nobody said is the default of its
// type; without an id it gets one that begins like its name; without a secret it
// gets one, if it may have any. Problems: validation_failed with the names of
// RFC 7591, and client_exists.
func (s *Service) CreateClient(ctx context.Context, c *latchkey.Client, ownSecret string) (*Registered, error) {
	made := &Registered{Client: c, Secret: ownSecret}
	if c.ID == "" {
		c.ID = newClientID(c.Name)
	}
	c.FillDefaults()
	if err := c.Check(); err != nil {
		return nil, err
	}
	switch {
	case ownSecret != "" && !c.HasSecret():
		return nil, latchkey.InvalidFields(map[string]string{"client_secret": "An application of method " + c.AuthMethod + " has no secret."})
	case ownSecret != "":
		if what := latchkey.SecretProblem(ownSecret); what != "" {
			return nil, latchkey.InvalidFields(map[string]string{"client_secret": what})
		}
	case c.HasSecret():
		made.Secret = s.newSecret(c)
	}
	if err := s.checkFetched(ctx, c); err != nil {
		return nil, err
	}
	if err := s.checkSector(ctx, c); err != nil {
		return nil, err
	}
	err := s.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		if err := tx.CreateClient(ctx, c, made.Secret); err != nil {
			return err
		}
		made.Client, err = tx.FindClient(ctx, c.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// newClientID makes an id that tells people which application it is, and that
// nobody else has: letters of the name and 40 random bits. It is no secret.
func newClientID(name string) string { return joinID(name, randomTail()) }

// joinID puts the letters of a name before a tail.
func joinID(name, tail string) string {
	const most = 24
	var id strings.Builder
	for _, r := range strings.ToLower(name) {
		if id.Len() == most {
			break
		}
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			id.WriteRune(r)
		case id.Len() > 0 && !strings.HasSuffix(id.String(), "-"):
			id.WriteByte('-')
		}
	}
	begin := strings.Trim(id.String(), "-")
	if begin == "" {
		begin = "app"
	}
	return begin + "-" + tail
}

func randomTail() string {
	raw := make([]byte, 5)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	return strings.ToLower(base32.StdEncoding.EncodeToString(raw))
}

// UpdateClient makes an application what next says; next.Version is the one that
// was read. It returns the members that changed, and the application as it is
// then, with its secret if the change of its method made one. Problems:
// validation_failed, not_found, conflict.
func (s *Service) UpdateClient(ctx context.Context, next *latchkey.Client) (changed []string, is *Registered, err error) {
	next.FillDefaults()
	if err := next.Check(); err != nil {
		return nil, nil, err
	}
	if err := s.checkFetched(ctx, next); err != nil {
		return nil, nil, err
	}
	if err := s.checkNewSector(ctx, next); err != nil {
		return nil, nil, err
	}
	is = &Registered{}
	err = s.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		if changed, err = tx.UpdateClient(ctx, next); err != nil {
			return err
		}
		if is.Client, err = tx.FindClient(ctx, next.ID); err != nil {
			return err
		}
		if is.Secret, err = tx.GiveClientKey(ctx, is.Client); err != nil || is.Secret == "" {
			return err
		}
		is.Client, err = tx.FindClient(ctx, next.ID)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return changed, is, nil
}

// checkFetched judges the addresses that latchkey will go to, before they are
// stored. What it refuses is recorded.
func (s *Service) checkFetched(ctx context.Context, c *latchkey.Client) error {
	wrong := map[string]string{}
	for member, refusal := range s.out.CheckAll(ctx, c.Fetched()) {
		wrong[member] = refusal.Message()
		err := s.db.RecordRefusal(ctx, latchkey.Event{Kind: latchkey.OutboundBlocked, ClientID: c.ID, Outcome: latchkey.Failure,
			Reason: refusal.Reason, Detail: map[string]any{"member": member}})
		if err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return latchkey.InvalidFields(wrong)
	}
	return nil
}

// EnableClient lets people sign in to an application again. What ended when it
// was turned off stays ended.
func (s *Service) EnableClient(ctx context.Context, id string) (*latchkey.Client, error) {
	return s.setEnabled(ctx, id, true)
}

// DisableClient turns an application off: its grants and tokens end at once.
func (s *Service) DisableClient(ctx context.Context, id string) (*latchkey.Client, error) {
	return s.setEnabled(ctx, id, false)
}

func (s *Service) setEnabled(ctx context.Context, id string, enabled bool) (c *latchkey.Client, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		if err := tx.SetClientEnabled(ctx, id, enabled); err != nil {
			return err
		}
		c, err = tx.FindClient(ctx, id)
		return err
	})
	return c, err
}

// DeleteClient deletes an application with all it has, and counts that.
func (s *Service) DeleteClient(ctx context.Context, id string) (gone storage.DeletedClient, err error) {
	err = s.db.InTx(ctx, func(tx *storage.Tx) (err error) {
		gone, err = tx.DeleteClient(ctx, id)
		return err
	})
	return gone, err
}
