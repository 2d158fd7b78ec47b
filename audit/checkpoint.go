package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"latchkey"
	"latchkey/storage"
)

// Checkpoint is a signed head of the tree. Its JSON is that of `audit
// checkpoint`.
type Checkpoint struct {
	Origin string    `json:"origin"`
	Size   int64     `json:"size"`
	Root   tlog.Hash `json:"root"` // base64
	Note   string    `json:"note"` // signed; C2SP tlog-checkpoint
	Key    string    `json:"key"`  // the verifier key of the note, as note.NewVerifier reads it
}

// Checkpoint is the head as it is now, signed. The caller does not change it.
func (l *Log) Checkpoint(ctx context.Context) (*Checkpoint, error) {
	size, root, err := l.db.AuditRoot(ctx)
	if err != nil {
		return nil, err
	}
	return l.sign(ctx, size, root)
}

// sign signs a head, or gives what it signed before for the very same: what
// strangers ask for costs no key and no signature while nothing happens. The
// signature would be the same (Ed25519, RFC 8032 §5.1.6).
func (l *Log) sign(ctx context.Context, size int64, root tlog.Hash) (*Checkpoint, error) {
	if c := l.signed.Load(); c != nil && c.Size == size && c.Root == root {
		return c, nil
	}
	key, err := l.db.AuditKey(ctx)
	if errors.Is(err, latchkey.ErrNotFound) {
		return nil, fmt.Errorf("%w: the key that signs checkpoints is gone, run audit verify", latchkey.ErrUnavailable)
	}
	if err != nil {
		return nil, err
	}
	s := &signer{name: l.origin, key: key}
	signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", l.origin, size, root)}, s)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	vkey, err := note.NewEd25519VerifierKey(l.origin, s.public())
	if err != nil {
		return nil, fmt.Errorf("spell the key of checkpoints: %w", err)
	}
	c := &Checkpoint{Origin: l.origin, Size: size, Root: root, Note: string(signed), Key: vkey}
	l.signed.Store(c)
	return c, nil
}

// signer signs notes with a key that has no spelling: note.NewSigner would want
// it as text.
type signer struct {
	name string
	key  ed25519.PrivateKey
}

func (s *signer) public() ed25519.PublicKey       { return s.key.Public().(ed25519.PublicKey) }
func (s *signer) Name() string                    { return s.name }
func (s *signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// KeyHash is the first four bytes of SHA-256 of name, line break, algorithm
// (1 = Ed25519) and public key (C2SP signed-note).
func (s *signer) KeyHash() uint32 {
	h := sha256.New()
	h.Write([]byte(s.name + "\n\x01"))
	h.Write(s.public())
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// keepCheckpoint stores a signed head when the last one is an hour old.
func (l *Log) keepCheckpoint(ctx context.Context) error {
	due, err := l.db.CheckpointDue(ctx)
	if err != nil || !due {
		return err
	}
	c, err := l.Checkpoint(ctx)
	if err != nil {
		return err
	}
	return l.Keep(ctx, c)
}

// Keep stores a checkpoint unless one was stored within the hour. Verify
// compares the tree with every one that was kept.
func (l *Log) Keep(ctx context.Context, c *Checkpoint) error {
	return l.db.KeepCheckpoint(ctx, storage.AuditCheckpoint{Size: c.Size, Root: c.Root[:], Note: c.Note})
}

// Reasons why a checkpoint is not accepted.
var (
	ErrNoCheckpoint = errors.New("this is no checkpoint")
	ErrForeign      = errors.New("the checkpoint was not signed by this installation")
)

// openCheckpoint checks that a note was signed by this installation, under
// whatever address it had then.
func openCheckpoint(signed string, key ed25519.PublicKey) (origin string, size int64, root tlog.Hash, err error) {
	origin, _, _, err = parseCheckpoint(signed)
	if err != nil {
		return "", 0, tlog.Hash{}, err
	}
	vkey, err := note.NewEd25519VerifierKey(origin, key)
	if err != nil {
		return "", 0, tlog.Hash{}, fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", 0, tlog.Hash{}, fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return "", 0, tlog.Hash{}, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return parseCheckpoint(opened.Text) // what was signed, and nothing around it
}

// parseCheckpoint reads the text of a checkpoint. Its signature is not checked.
func parseCheckpoint(text string) (origin string, size int64, root tlog.Hash, err error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return "", 0, root, ErrNoCheckpoint
	}
	size, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return "", 0, root, fmt.Errorf("%w: its size is no number", ErrNoCheckpoint)
	}
	hash, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(hash) != tlog.HashSize || base64.StdEncoding.EncodeToString(hash) != lines[2] {
		return "", 0, root, fmt.Errorf("%w: its root is no hash", ErrNoCheckpoint)
	}
	copy(root[:], hash)
	return lines[0], size, root, nil
}

// ReadCheckpoint takes the signed note out of what somebody kept: the note
// itself, or the JSON of `audit checkpoint`.
func ReadCheckpoint(file []byte) (string, error) {
	const largest = 64 << 10
	if len(file) > largest {
		return "", fmt.Errorf("%w: it is too long", ErrNoCheckpoint)
	}
	text := string(file)
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if text, err = noteOf(file); err != nil {
			return "", err
		}
	}
	if _, _, _, err := parseCheckpoint(text); err != nil {
		return "", err
	}
	return text, nil
}

// noteOf is the note in the JSON of `audit checkpoint`.
func noteOf(file []byte) (string, error) {
	var c struct {
		Note string `json:"note"`
	}
	if err := json.Unmarshal(file, &c); err != nil || c.Note == "" {
		return "", fmt.Errorf("%w: the JSON has no note", ErrNoCheckpoint)
	}
	return c.Note, nil
}
