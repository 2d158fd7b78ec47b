package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"latchkey"
)

func newTestLimiter(t *testing.T) (*limiter, *time.Time) {
	t.Helper()
	l, err := newLimiter(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	now := time.Unix(1_800_000_000, 0)
	l.now = func() time.Time { return now }
	return l, &now
}

func from(address string) context.Context {
	return latchkey.WithActor(context.Background(), latchkey.Actor{Address: netip.MustParseAddr(address)})
}

func TestFiguresOfTheLimits(t *testing.T) {
	for _, c := range []struct {
		name        limitName
		burst       int
		refill      time.Duration // for one more
		keyed       bool
		onlyByNamed bool
	}{
		{limitCeremony, 200, 100 * time.Millisecond, true, false},
		{limitVerification, 20, 3 * time.Second, true, false},
		{limitAuthorize, 300, 200 * time.Millisecond, false, false},
		{limitRecovery, 5, 3 * time.Minute, true, false},
		{limitToken, 200, 10 * time.Millisecond, true, true},
		{limitClientAuth, 20, 3 * time.Second, false, false},
		{limitPAR, 120, 500 * time.Millisecond, true, true},
		{limitRegister, 10, 6 * time.Minute, false, false},
		{limitDeviceCode, 10, 90 * time.Second, true, false},
		{limitCheckpoint, 300, 200 * time.Millisecond, false, false},
	} {
		t.Run(string(c.name), func(t *testing.T) {
			l, now := newTestLimiter(t)
			spend := func(ctx context.Context, account string) error {
				err := l.Allow(ctx, string(c.name), account)
				if err == nil && l.rules[c.name].failures {
					l.Penalize(ctx, string(c.name), account)
				}
				return err
			}
			ctx := from("203.0.113.9")
			for i := range c.burst {
				if err := spend(ctx, "one"); err != nil {
					t.Fatalf("refused after %d of %d: %v", i, c.burst, err)
				}
			}
			err := spend(ctx, "one")
			if !errors.Is(err, latchkey.ErrLimited) || latchkey.CodeOf(err) != "rate_limited" {
				t.Fatalf("after %d: %v", c.burst, err)
			}
			if err := spend(from("203.0.113.10"), "two"); err != nil {
				t.Errorf("another address and account: %v", err)
			}
			if c.keyed {
				if err := spend(from("203.0.113.11"), "one"); err == nil {
					t.Error("the same account from another address is not limited")
				}
			}
			if err := spend(ctx, "three"); (err == nil) != (c.onlyByNamed || l.rules[c.name].pair) {
				t.Errorf("another account from the same address: %v", err)
			}
			*now = now.Add(c.refill)
			if err := spend(ctx, "one"); err != nil {
				t.Errorf("after %v: %v", c.refill, err)
			}
			if err := spend(ctx, "one"); err == nil {
				t.Errorf("two more after %v", c.refill)
			}
		})
	}
}

func TestNetworksOfAddresses(t *testing.T) {
	l, _ := newTestLimiter(t)
	for range 10 {
		if err := l.Allow(from("2001:db8:1:2::1"), "register", ""); err != nil {
			t.Fatal(err)
		}
	}
	for address, allowed := range map[string]bool{
		"2001:db8:1:2:ffff::9": false, // the same /64
		"2001:db8:1:3::1":      true,
		"203.0.113.1":          true,
	} {
		if err := l.Allow(from(address), "register", ""); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
	for range 9 {
		if err := l.Allow(from("::ffff:203.0.113.1"), "register", ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Allow(from("203.0.113.1"), "register", ""); err == nil {
		t.Error("the IPv6 spelling of an IPv4 address is another address")
	}
}

func TestUnknownLimitRefuses(t *testing.T) {
	l, _ := newTestLimiter(t)
	if err := l.Allow(from("203.0.113.1"), "no such limit", ""); err == nil {
		t.Error("an unknown limit allows")
	}
	e, _ := newTestEdge(t)
	s := serve(t, e, func(r *gin.Engine) { r.GET("/x", e.limit("typo"), e.page(fine)) })
	if got := send(t, s, "GET", "/x", ""); got.StatusCode != 500 {
		t.Errorf("an unknown limit on a route answers %d", got.StatusCode)
	}
}

func TestLimitOnARoute(t *testing.T) {
	for _, on := range []bool{true, false} {
		e, _ := newTestEdge(t, func(o *edgeOptions) { o.RateLimits = on })
		s := serve(t, e, func(r *gin.Engine) { r.POST("/api/v1/recovery/redeem", e.limit(limitRecovery), e.page(fine)) })
		for range 5 {
			if got := send(t, s, "POST", "/api/v1/recovery/redeem", ""); got.StatusCode != 200 {
				t.Fatalf("status is %d", got.StatusCode)
			}
		}
		got := send(t, s, "POST", "/api/v1/recovery/redeem", "")
		if !on {
			if got.StatusCode != 200 {
				t.Errorf("with limits off: %d", got.StatusCode)
			}
			continue
		}
		body := got.problem(t)
		seconds, err := strconv.Atoi(got.Header.Get("Retry-After"))
		if err != nil || seconds < 179 || seconds > 180 {
			t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
		}
		if got.StatusCode != 429 || body["code"] != "rate_limited" || body["retryable"] != true || body["retry_after"] != float64(seconds) {
			t.Errorf("%d %v", got.StatusCode, body)
		}
	}
}

func TestOnlyFailuresSpendAFailureLimit(t *testing.T) {
	e, _ := newTestEdge(t)
	ok := true
	s := serve(t, e, func(r *gin.Engine) {
		r.POST("/api/verify", e.limit(limitVerification), e.page(func(c *gin.Context) error {
			if !ok {
				return latchkey.Refuse(latchkey.ErrUnauthorized, "verification_failed", "No.")
			}
			return fine(c)
		}))
	})
	for range 50 {
		if got := send(t, s, "POST", "/api/verify", ""); got.StatusCode != 200 {
			t.Fatalf("a success is limited: %d", got.StatusCode)
		}
	}
	ok = false
	for i := range 20 {
		if got := send(t, s, "POST", "/api/verify", ""); got.StatusCode != 401 {
			t.Fatalf("failure %d answers %d", i, got.StatusCode)
		}
	}
	ok = true
	if got := send(t, s, "POST", "/api/verify", ""); got.StatusCode != 429 {
		t.Errorf("after 20 failures: %d", got.StatusCode)
	}
}

// A flood from a million networks must not grow the table, and somebody who
// is being limited must stay limited through it.
func TestLimiterMemoryIsBounded(t *testing.T) {
	l, _ := newTestLimiter(t)
	busy := from("203.0.113.9")
	for range 10 {
		if err := l.Allow(busy, "register", ""); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 300_000 {
		var b [16]byte
		b[0], b[1] = 0x20, 0x01
		binary.BigEndian.PutUint32(b[2:], uint32(i))
		ctx := latchkey.WithActor(context.Background(), latchkey.Actor{Address: netip.AddrFrom16(b)})
		if err := l.Allow(ctx, "ceremony", ""); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if err := l.Allow(busy, "register", ""); err == nil {
				t.Fatalf("the flood of %d freed the busy one", i)
			}
		}
	}
	l.buckets.CleanUp()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := l.buckets.EstimatedSize(); n > maxBuckets {
		t.Errorf("%d buckets, want at most %d", n, maxBuckets)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the table takes %d MiB", grown>>20)
	} else {
		t.Logf("300,000 networks: %d buckets, %d KiB", l.buckets.EstimatedSize(), grown>>10)
	}
}

func BenchmarkAllow(b *testing.B) {
	l, err := newLimiter(true)
	if err != nil {
		b.Fatal(err)
	}
	defer l.close()
	contexts := make([]context.Context, 4096)
	for i := range contexts {
		contexts[i] = from(fmt.Sprintf("10.0.%d.%d", i/256, i%256))
	}
	spent := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for i := range b.N {
		start := time.Now()
		_ = l.Allow(contexts[i%len(contexts)], "authorize", "")
		spent = append(spent, time.Since(start))
	}
	b.StopTimer()
	slices.Sort(spent)
	b.ReportMetric(float64(spent[len(spent)*99/100].Nanoseconds()), "p99-ns")
}
