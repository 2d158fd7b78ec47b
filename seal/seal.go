// Package seal owns the two master keys of an installation: the file they are
// kept in, the keys derived from them, the sealing of columns (AES-256-GCM)
// and the keyed hashes by which secrets are looked up.
//
// It refuses to own where anything is stored, who may read it and when a key
// is rotated: it knows bytes and places, not rows. It never repairs and never
// overwrites key material, because a key file replaced by a fresh one turns
// every sealed row into noise.
//
// It answers the thief who holds a dump of the database (nothing in it can be
// read or replayed without the key file), the one who can write to the
// database (a value moved to another row, column or owner does not open), and
// the operator who starts with the wrong file (the canary says so before
// anything is written).
package seal

import "errors"

var (
	// ErrMissing says that there is no key file at the path. It is the only
	// state in which a caller may make one, and only when the database holds
	// nothing sealed.
	ErrMissing = errors.New("no key file")

	// ErrRefused says that key material exists and is not to be used as it is:
	// unreadable, badly spelled, or open to others. The words around it say
	// what is wrong and what to do; nothing has been changed.
	ErrRefused = errors.New("key file refused")

	// ErrMismatch says that a sealed value does not open here: shortened,
	// altered, moved from another place, or sealed under keys that this ring
	// does not hold.
	ErrMismatch = errors.New("sealed value does not match")

	// ErrSpelling says that a string cannot be a token made by NewToken under
	// a key of this ring. No hash was computed from it.
	ErrSpelling = errors.New("not a token of this installation")

	// ErrVersion says that a key version was asked for that the ring does not
	// hold.
	ErrVersion = errors.New("unknown key version")
)
