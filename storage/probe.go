package storage

import (
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"latchkey/seal"
)

// purposeProbe is the key for tokens by which doctor shows a server that it
// holds the same key file.
const purposeProbe seal.Purpose = "doctor probe"

// probeLife bounds the use of a probe that somebody else saw, and allows for
// clocks that differ.
const probeLife = 5 * time.Minute

// NewProbe makes a token that CheckProbe of any node with the same keys accepts
// for some minutes: the time, and its keyed hash. It opens nothing but what a
// node saw of the request that carries it.
func (db *DB) NewProbe() string {
	stamp := strconv.FormatInt(db.Clock().Unix(), 36)
	return stamp + "." + base64.RawURLEncoding.EncodeToString(db.ring.Hash(purposeProbe, stamp))
}

// CheckProbe tells whether the token was made a short time ago with our keys.
func (db *DB) CheckProbe(token string) bool {
	stamp, mac, found := strings.Cut(token, ".")
	if !found || len(token) > 128 {
		return false
	}
	made, err := strconv.ParseInt(stamp, 36, 64)
	if err != nil || db.Clock().Sub(time.Unix(made, 0)).Abs() > probeLife {
		return false
	}
	sent, err := base64.RawURLEncoding.DecodeString(mac)
	if err != nil {
		return false
	}
	for _, h := range db.ring.HashAll(purposeProbe, stamp) {
		if subtle.ConstantTimeCompare(h, sent) == 1 {
			return true
		}
	}
	return false
}
