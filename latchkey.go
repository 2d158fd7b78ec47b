// Package latchkey is the vocabulary of the provider: its nouns, the pure
// rules about them, the kinds of error and who acts.
//
// It holds no state, opens nothing and imports only the standard library, so
// that every other package may speak these words. A rule that two features
// share and that needs no database lives here (MayRemovePasskey); one that
// needs a lock or a row lives in package storage.
package latchkey
