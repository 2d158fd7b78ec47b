package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"latchkey/seal"
)

// fixed is a key file with two versions, made for these tests. Its keys are
// counted bytes, so that values computed by other programs can be compared.
func fixed(t testing.TB) *seal.Keys {
	t.Helper()
	keys, err := seal.Parse(document(t, nil))
	if err != nil {
		t.Fatalf("parse the fixed keys: %v", err)
	}
	return keys
}

// counted is the base64 of 32 bytes that count up from first.
func counted(first byte) string {
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = first + byte(i)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// document writes the fixed key file, bent by the caller.
func document(t testing.TB, bend func(file, previous map[string]any)) []byte {
	t.Helper()
	previous := map[string]any{
		"version":                   1,
		"credential_encryption_key": counted(0x80),
		"session_signing_key":       counted(0xa0),
		"retired_at":                "2026-02-01T00:00:00Z",
	}
	file := map[string]any{
		"version":                   2,
		"created_at":                "2026-01-01T00:00:00Z",
		"credential_encryption_key": counted(0x00),
		"session_signing_key":       counted(0x40),
		"previous":                  []any{previous},
	}
	if bend != nil {
		bend(file, previous)
	}
	content, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func ring(t testing.TB, keys *seal.Keys) *seal.Ring {
	t.Helper()
	r, err := seal.NewRing(keys)
	if err != nil {
		t.Fatalf("make the ring: %v", err)
	}
	return r
}

// older is the ring of the same installation before its rotation to version 2.
func older(t testing.TB) *seal.Ring {
	t.Helper()
	keys := fixed(t)
	p := keys.Previous[0]
	return ring(t, &seal.Keys{
		Version:                 p.Version,
		CreatedAt:               keys.CreatedAt,
		CredentialEncryptionKey: p.CredentialEncryptionKey,
		SessionSigningKey:       p.SessionSigningKey,
	})
}

var place = seal.Place{Table: "credentials", Column: "metadata", Row: "row-1", Owner: "alice"}

func sealed(t testing.TB, r *seal.Ring, at seal.Place, plaintext []byte) []byte {
	t.Helper()
	s, err := r.Seal(at, plaintext)
	if err != nil {
		t.Fatalf("seal: %v", err)
	}
	return s
}

// wantMismatch checks that a value is refused, and that nothing comes with the
// refusal.
func wantMismatch(t *testing.T, r *seal.Ring, at seal.Place, s []byte) {
	t.Helper()
	got, err := r.Open(at, s)
	if !errors.Is(err, seal.ErrMismatch) {
		t.Errorf("open answered %v, want ErrMismatch", err)
	}
	if got != nil {
		t.Errorf("a refused value came with %d bytes", len(got))
	}
}

func TestWhatIsSealedOpens(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	for _, size := range []int{0, 1, 15, 16, 17, 300, 64 << 10} {
		want := bytes.Repeat([]byte{0xa5}, size)
		s := sealed(t, r, place, want)
		if got := len(s); got != size+seal.Overhead {
			t.Errorf("%d bytes sealed are %d bytes, want %d", size, got, size+seal.Overhead)
		}
		got, err := r.Open(place, s)
		if err != nil {
			t.Fatalf("open %d bytes: %v", size, err)
		}
		if !bytes.Equal(got, want) || got == nil {
			t.Errorf("%d bytes came back as %d other ones", size, len(got))
		}
	}
}

func TestSealedLayout(t *testing.T) {
	t.Parallel()
	s := sealed(t, ring(t, fixed(t)), place, []byte("text"))
	if s[0] != 1 {
		t.Errorf("format is %d, want 1", s[0])
	}
	if got := binary.BigEndian.Uint32(s[1:5]); got != 2 {
		t.Errorf("key version is %d, want 2", got)
	}
	if got, err := seal.Version(s); err != nil || got != 2 {
		t.Errorf("Version answered %d, %v, want 2", got, err)
	}
	if bytes.Contains(s, []byte("text")) {
		t.Error("the text shows in the sealed value")
	}
}

func TestEqualTextsSealDifferently(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	if bytes.Equal(sealed(t, r, place, []byte("text")), sealed(t, r, place, []byte("text"))) {
		t.Error("two sealed values of one text are equal")
	}
}

func TestOpenLeavesItsInputAlone(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	s := sealed(t, r, place, []byte("text"))
	before := slices.Clone(s)
	for range 2 {
		if _, err := r.Open(place, s); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(s, before) {
		t.Error("open changed the sealed value")
	}
}

func TestOldVersionsOpenAfterRotation(t *testing.T) {
	t.Parallel()
	s := sealed(t, older(t), place, []byte("text"))
	got, err := ring(t, fixed(t)).Open(place, s)
	if err != nil || string(got) != "text" {
		t.Errorf("open answered %q, %v", got, err)
	}
}

func TestNewVersionDoesNotOpenUnderOldKeyFile(t *testing.T) {
	t.Parallel()
	wantMismatch(t, older(t), place, sealed(t, ring(t, fixed(t)), place, []byte("text")))
}

func TestOpenRefusesTruncation(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	s := sealed(t, r, place, []byte("some text"))
	for n := range len(s) {
		wantMismatch(t, r, place, s[:n])
	}
	wantMismatch(t, r, place, nil)
	for n := range seal.Overhead {
		if _, err := seal.Version(s[:n]); !errors.Is(err, seal.ErrMismatch) {
			t.Errorf("Version read %d bytes: %v", n, err)
		}
	}
	if _, err := seal.Version(s[:seal.Overhead]); err != nil {
		t.Errorf("Version refused the length of an empty value: %v", err)
	}
}

func TestOpenRefusesAppendedByte(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	wantMismatch(t, r, place, append(sealed(t, r, place, []byte("text")), 0))
}

func TestOpenRefusesEveryFlippedBit(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	s := sealed(t, r, place, []byte("some text"))
	for i := range s {
		for bit := range 8 {
			bent := slices.Clone(s)
			bent[i] ^= 1 << bit
			wantMismatch(t, r, place, bent)
		}
	}
}

func TestOpenRefusesMovedValue(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	s := sealed(t, r, place, []byte("text"))
	for _, attack := range []struct {
		name string
		bend func(*seal.Place)
	}{
		{"another table", func(p *seal.Place) { p.Table = "users" }},
		{"another column", func(p *seal.Place) { p.Column = "attestation" }},
		{"another row", func(p *seal.Place) { p.Row = "row-2" }},
		{"another owner", func(p *seal.Place) { p.Owner = "bob" }},
		{"no owner", func(p *seal.Place) { p.Owner = "" }},
		{"no row", func(p *seal.Place) { p.Row = "" }},
		{"letters moved from table to column", func(p *seal.Place) { p.Table, p.Column = "credential", "smetadata" }},
		{"letters moved from column to row", func(p *seal.Place) { p.Column, p.Row = "metadat", "arow-1" }},
		{"letters moved from row to owner", func(p *seal.Place) { p.Row, p.Owner = "row-", "1alice" }},
		{"row and owner exchanged", func(p *seal.Place) { p.Row, p.Owner = p.Owner, p.Row }},
		{"other letters", func(p *seal.Place) { p.Owner = "Alice" }},
	} {
		t.Run(attack.name, func(t *testing.T) {
			bent := place
			attack.bend(&bent)
			wantMismatch(t, r, bent, s)
		})
	}
}

func TestOpenRefusesOtherKey(t *testing.T) {
	t.Parallel()
	s := sealed(t, ring(t, fixed(t)), place, []byte("text"))
	other := seal.Generate(time.Now())
	other.Version = 2
	wantMismatch(t, ring(t, other), place, s)
}

func TestOpenRefusesVersionRelabelled(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	for _, version := range []uint32{0, 1, 3, 255, 256 + 2, 1 << 31} {
		s := sealed(t, r, place, []byte("text"))
		binary.BigEndian.PutUint32(s[1:5], version)
		wantMismatch(t, r, place, s)
	}
}

func TestOpenRefusesUnknownFormat(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	for format := range 256 {
		if format == 1 {
			continue
		}
		s := sealed(t, r, place, []byte("text"))
		s[0] = byte(format)
		wantMismatch(t, r, place, s)
		if _, err := seal.Version(s); !errors.Is(err, seal.ErrMismatch) {
			t.Errorf("Version read format %d: %v", format, err)
		}
	}
}

// The key comes from the session signing key nowhere and from the credential
// encryption key alone: a mix-up of the two would pass every round trip.
func TestSealingUsesTheCredentialEncryptionKey(t *testing.T) {
	t.Parallel()
	keys := fixed(t)
	s := sealed(t, ring(t, keys), place, []byte("text"))

	keys.SessionSigningKey = seal.Generate(time.Now()).SessionSigningKey
	if _, err := ring(t, keys).Open(place, s); err != nil {
		t.Errorf("another session signing key: %v", err)
	}
	keys = fixed(t)
	keys.CredentialEncryptionKey = seal.Generate(time.Now()).CredentialEncryptionKey
	wantMismatch(t, ring(t, keys), place, s)
}

func TestSealRefusesPlaceWithoutNames(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	for _, at := range []seal.Place{
		{Column: "c", Row: "r"}, {Table: "t", Row: "r"}, {Table: "t", Column: "c"}, {},
	} {
		if s, err := r.Seal(at, []byte("text")); err == nil || s != nil {
			t.Errorf("sealed for %+v", at)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	if got := r.Current(); got != 2 {
		t.Errorf("current version is %d, want 2", got)
	}
	if got, want := r.Versions(), []uint32{2, 1}; !slices.Equal(got, want) {
		t.Errorf("versions are %v, want %v", got, want)
	}
	r.Versions()[0] = 9
	if got := r.Versions()[0]; got != 2 {
		t.Error("a caller changed the versions of the ring")
	}
}

func TestNewRingRefusesKeysBuiltByHand(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*seal.Keys){
		"no sealing key": func(k *seal.Keys) { k.CredentialEncryptionKey = seal.Key{} },
		"no hashing key": func(k *seal.Keys) { k.SessionSigningKey = seal.Key{} },
		"version 0":      func(k *seal.Keys) { k.Version = 0 },
		"version 256":    func(k *seal.Keys) { k.Version = 256 },
		"one key twice":  func(k *seal.Keys) { k.SessionSigningKey = k.CredentialEncryptionKey },
		"no time":        func(k *seal.Keys) { k.CreatedAt = time.Time{} },
		"previous version 0": func(k *seal.Keys) {
			k.Version, k.Previous = 2, []seal.Previous{previousOf(0)}
		},
		"previous version 256": func(k *seal.Keys) {
			k.Version, k.Previous = 2, []seal.Previous{previousOf(256)}
		},
		"previous without time": func(k *seal.Keys) {
			k.Version, k.Previous = 2, []seal.Previous{previousOf(1)}
			k.Previous[0].RetiredAt = time.Time{}
		},
		"previous without key": func(k *seal.Keys) {
			k.Version, k.Previous = 2, []seal.Previous{previousOf(1)}
			k.Previous[0].SessionSigningKey = seal.Key{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			keys := seal.Generate(time.Now())
			bend(keys)
			if r, err := seal.NewRing(keys); !errors.Is(err, seal.ErrRefused) || r != nil {
				t.Errorf("NewRing answered %v, want ErrRefused", err)
			}
			if content, err := keys.Encode(); !errors.Is(err, seal.ErrRefused) || content != nil {
				t.Errorf("Encode answered %v, want ErrRefused", err)
			}
		})
	}
	if _, err := seal.NewRing(nil); !errors.Is(err, seal.ErrRefused) {
		t.Errorf("no keys: %v, want ErrRefused", err)
	}
}

func previousOf(version uint32) seal.Previous {
	keys := seal.Generate(time.Now())
	return seal.Previous{
		Version: version, RetiredAt: keys.CreatedAt,
		CredentialEncryptionKey: keys.CredentialEncryptionKey, SessionSigningKey: keys.SessionSigningKey,
	}
}

func TestNewRingTakesKeysBuiltByHand(t *testing.T) {
	t.Parallel()
	keys := seal.Generate(time.Now())
	keys.Version, keys.Previous = 3, []seal.Previous{previousOf(1), previousOf(2)}
	if got, want := ring(t, keys).Versions(), []uint32{3, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("versions are %v, want %v", got, want)
	}
}

func TestRingServesManyAtOnce(t *testing.T) {
	t.Parallel()
	r := ring(t, fixed(t))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				text := fmt.Sprint(i, j)
				s, err := r.Seal(place, []byte(text))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := r.Open(place, s); err != nil || string(got) != text {
					t.Errorf("open answered %q, %v", got, err)
				}
				token, hash := r.NewToken("session")
				if got, err := r.HashToken("session", token); err != nil || !bytes.Equal(got, hash) {
					t.Errorf("hash of a token answered %v", err)
				}
			}
		})
	}
	wg.Wait()
}
