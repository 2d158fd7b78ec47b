package latchkey

import (
	"fmt"
	"math"
	"strings"
)

// SecretProblem says what is wrong with a client secret that somebody chose; ""
// means that it may be used. It has to be worth 128 bits (RFC 6749 §10.10): as
// nobody can see whether it came from dice, its length and letters are taken for
// it, and the plainest non-random ones are refused.
func SecretProblem(secret string) string {
	switch {
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > 0x7e }):
		return "A secret is one line of ASCII characters without spaces."
	case len(secret) > maxClientSecret:
		return "The secret is longer than 512 characters."
	case secretBits(secret) < 128 || distinct(secret) < 6:
		return "The secret needs 128 random bits: 22 characters of base64, or 32 of hex. `openssl rand -base64 24` makes one."
	}
	return ""
}

// MACSecretProblem says what keeps a secret from being the key of an HMAC
// algorithm ("" = the shortest); "" is nothing.
func MACSecretProblem(secret, alg string) string {
	if alg == "" {
		alg = "HS256"
	}
	if len(secret) < macBytes(alg) {
		return fmt.Sprintf("With %s, a secret has %d characters at least.", alg, macBytes(alg))
	}
	return ""
}

// secretBits is what a secret is worth when each character was chosen at random
// among those of the kinds that it has.
func secretBits(secret string) float64 {
	const digits, lower, upper = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	only := func(set string) bool { return strings.Trim(secret, set) == "" }
	size := 64.0 // base64; more signs do not make a more random choice
	switch {
	case only(digits):
		size = 10
	case only(digits + "abcdef"), only(digits + "ABCDEF"):
		size = 16
	case only(lower), only(upper):
		size = 26
	case only(digits + lower), only(digits + upper):
		size = 36
	}
	return float64(len(secret)) * math.Log2(size)
}

func distinct(secret string) int {
	seen := map[rune]bool{}
	for _, r := range secret {
		seen[r] = true
	}
	return len(seen)
}
