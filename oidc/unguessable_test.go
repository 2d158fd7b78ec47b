package oidc_test

import (
	"math"
	"strings"
	"testing"
)

// TestCodesAndTokensAreUnguessable: codes and tokens are at least 128 bits long,
// look random, differ each time, and hold only characters that every client can
// carry (RFC 6749 §10.10 and appendix A).
func TestCodesAndTokensAreUnguessable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "wiki", every)
	b := w.browser().signIn(t, w.user(t, "alice"))
	seen := map[string]bool{}
	for range 3 {
		front := b.get(t, a.request("response_type", "code id_token token")).toApp(t).params
		tk := readTokens(t, a.exchange(t, front.Get("code")))
		for what, value := range map[string]string{
			"code": front.Get("code"), "front token": front.Get("access_token"), "access token": tk.access, "refresh token": tk.refresh,
			"refreshed token": readTokens(t, a.refresh(t, tk.refresh)).access,
		} {
			if bits := entropy(value); len(value)*8 < 128 || bits <= 128 {
				t.Errorf("%s %q: %d characters, %.0f bits", what, value, len(value), bits)
			}
			if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("%s holds odd characters: %q", what, value)
			}
			if seen[value] {
				t.Errorf("%s came twice: %q", what, value)
			}
			seen[value] = true
		}
	}
}

// entropy is that of Shannon, in bits of the whole text: a lower bound of what an
// onlooker can measure.
func entropy(s string) (bits float64) {
	count := map[rune]float64{}
	for _, r := range s {
		count[r]++
	}
	n := float64(len(s))
	for _, c := range count {
		bits -= c * math.Log2(c/n)
	}
	return bits
}
