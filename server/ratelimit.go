package server

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"net/netip"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"latchkey"
)

// maxBuckets bounds the memory of the limiter (about 200 bytes each). Beyond
// it the least used give way, so a flood from many networks costs the flood
// its own buckets first.
const maxBuckets = 50_000

// limitName names a limit in the route table and in what features are given.
type limitName string

// The limits. Those about failures are looked at when a request comes and
// spent only when it turns out to be a failure.
const (
	limitCeremony     limitName = "ceremony"     // options of a passkey ceremony
	limitVerification limitName = "verification" // failed verifications and wrong link tokens
	limitAuthorize    limitName = "authorize"    // authorize without a session
	limitRecovery     limitName = "recovery"     // recovery codes and links
	limitToken        limitName = "token"        // token endpoint, by client
	limitClientAuth   limitName = "client_auth"  // failed client authentications
	limitPAR          limitName = "par"          // pushed requests, by client
	limitRegister     limitName = "register"     // dynamic registrations
	limitDeviceCode   limitName = "device_code"  // typed user codes
	limitCheckpoint   limitName = "checkpoint"   // signed heads of the audit tree
)

// limitRule is one limit: so many events in a time, at most burst at once.
type limitRule struct {
	events   int
	per      time.Duration
	burst    int // 0 = events
	address  bool
	account  bool // by the account or client that the caller names
	pair     bool // by address and account together
	failures bool // spent by failures only
}

// limitRules is the table of SECURITY figures, and what has none there.
func limitRules() map[limitName]limitRule {
	return map[limitName]limitRule{
		limitCeremony:     {events: 600, per: time.Minute, burst: 200, address: true, account: true},
		limitVerification: {events: 20, per: time.Minute, address: true, account: true, failures: true},
		limitAuthorize:    {events: 300, per: time.Minute, address: true},
		limitRecovery:     {events: 5, per: 15 * time.Minute, address: true, account: true},
		limitToken:        {events: 100, per: time.Second, burst: 200, account: true},
		limitClientAuth:   {events: 20, per: time.Minute, pair: true, failures: true},
		limitPAR:          {events: 120, per: time.Minute, account: true},
		limitRegister:     {events: 10, per: time.Hour, address: true},
		limitDeviceCode:   {events: 10, per: 15 * time.Minute, address: true, account: true},
		limitCheckpoint:   {events: 300, per: time.Minute, address: true},
	}
}

// limiter counts in memory, per node: a limit is a brake, not a lock. Hard
// locks are rows in the database.
type limiter struct {
	on      bool
	rules   map[limitName]limitRule
	numbers map[limitName]uint8
	seed    maphash.Seed
	buckets *otter.Cache[bucketKey, *rate.Limiter]
	now     func() time.Time
}

// bucketKey is one counter. Accounts are hashed, because their names are as
// long as strangers like.
type bucketKey struct {
	rule    uint8
	v4      bool
	network uint64
	account uint64
}

func newLimiter(on bool) (*limiter, error) {
	l := &limiter{on: on, rules: limitRules(), numbers: map[limitName]uint8{}, seed: maphash.MakeSeed(), now: time.Now}
	for name := range l.rules {
		l.numbers[name] = uint8(len(l.numbers))
	}
	buckets, err := otter.New(&otter.Options[bucketKey, *rate.Limiter]{
		MaximumSize: maxBuckets,
		// A bucket nobody used for an hour is full again under every rule, so
		// forgetting it changes nothing.
		ExpiryCalculator: otter.ExpiryAccessing[bucketKey, *rate.Limiter](time.Hour),
	})
	if err != nil {
		return nil, fmt.Errorf("make the limiter's table: %w", err)
	}
	l.buckets = buckets
	return l, nil
}

// close ends the table's own goroutines.
func (l *limiter) close() { l.buckets.StopAllGoroutines() }

// Allow spends one event of the named limit for the address in ctx and for
// account (a username, link or client; empty when none is known), or refuses
// with ErrLimited, code rate_limited. Of a limit on failures it spends nothing
// and only says whether it is used up. Features get it as a func field.
func (l *limiter) Allow(ctx context.Context, limit, account string) error {
	return l.ask(ctx, limitName(limit), account, false)
}

// Penalize spends one event of a limit on failures, after a failure.
func (l *limiter) Penalize(ctx context.Context, limit, account string) {
	_ = l.ask(ctx, limitName(limit), account, true) // the next Allow refuses
}

func (l *limiter) ask(ctx context.Context, name limitName, account string, failed bool) error {
	rule, ok := l.rules[name]
	if !ok {
		return fmt.Errorf("no rate limit is called %q", name)
	}
	if !l.on {
		return nil
	}
	var wait time.Duration
	now := l.now()
	for _, key := range l.keys(l.numbers[name], rule, latchkey.ActorFrom(ctx).Address, account) {
		if key == (bucketKey{}) {
			continue
		}
		wait = max(wait, l.take(key, rule, now, rule.failures && !failed))
	}
	if wait == 0 {
		return nil
	}
	return tooMany(wait)
}

// tooMany is the refusal; it says in whole seconds when to come back.
func tooMany(wait time.Duration) error {
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	return &latchkey.Problem{
		Kind: latchkey.ErrLimited, Code: "rate_limited",
		Message: "Too many tries from here. Wait a little and try again.",
		Extra:   map[string]any{"retry_after": seconds},
	}
}

// keys are the counters that a rule touches for this address and account.
func (l *limiter) keys(number uint8, rule limitRule, address netip.Addr, account string) [2]bucketKey {
	var out [2]bucketKey
	network, v4 := networkOf(address)
	var hashed uint64
	if account != "" {
		hashed = maphash.String(l.seed, account) | 1
	}
	// number+1 keeps every real key different from the zero key.
	if rule.address || rule.pair {
		out[0] = bucketKey{rule: number + 1, v4: v4, network: network}
		if rule.pair {
			out[0].account = hashed
		}
	}
	if rule.account && account != "" {
		out[1] = bucketKey{rule: number + 1, account: hashed}
	}
	return out
}

// networkOf is what one subscriber usually has: a whole IPv4 address or an
// IPv6 /64.
func networkOf(a netip.Addr) (network uint64, v4 bool) {
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return uint64(binary.BigEndian.Uint32(b[:])), true
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), false
}

// take spends one event and returns 0, or returns how long to wait. peek
// spends nothing.
func (l *limiter) take(key bucketKey, rule limitRule, now time.Time, peek bool) time.Duration {
	bucket, ok := l.buckets.GetIfPresent(key)
	if !ok {
		if peek {
			return 0
		}
		bucket, _ = l.buckets.ComputeIfAbsent(key, func() (*rate.Limiter, bool) {
			burst := rule.burst
			if burst == 0 {
				burst = rule.events
			}
			return rate.NewLimiter(rate.Limit(float64(rule.events)/rule.per.Seconds()), burst), false
		})
	}
	if peek {
		if bucket.TokensAt(now) >= 1 {
			return 0
		}
	} else if bucket.AllowN(now, 1) {
		return 0
	}
	missing := 1 - bucket.TokensAt(now)
	return max(time.Millisecond, time.Duration(missing/float64(bucket.Limit())*float64(time.Second)))
}

// limit is the word for a limit by address. A limit on failures is spent when
// the answer turns out to be a 401.
func (e *edge) limit(name limitName) gin.HandlerFunc {
	failures := e.limits.rules[name].failures
	return func(c *gin.Context) {
		ctx := c.Request.Context()
		if err := e.limits.ask(ctx, name, "", false); err != nil {
			e.fail(c, err)
			return
		}
		c.Next()
		if failures && c.Writer.Status() == http.StatusUnauthorized {
			e.limits.Penalize(ctx, string(name), "")
		}
	}
}
