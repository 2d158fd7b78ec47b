package audit_test

import (
	"testing"

	"latchkey/audit"
	"latchkey/storage/storagetest"
)

// fill puts n events into audit_pending at once, each a copy of a real one.
func (w *world) fill(tb testing.TB, n int) {
	tb.Helper()
	for left := n; left > 0; left -= 10_000 {
		storagetest.SQL(tb, w.url, `
			INSERT INTO audit_pending (id, kind, actor_kind, actor_id, subject, client_id, session_id, success, request_id, address_prefix, agent, detail)
			SELECT gen_random_uuid(), 'token.issued', 'client', 'wiki', $1, 'wiki', gen_random_uuid(), true, gen_random_uuid(), '203.0.113.0/24',
			       'Firefox on Linux', '{"grant_id": "01890a5d-ac96-774b-bcce-b302099a8057"}'
			FROM generate_series(1, $2::int)`, alice, min(left, 10_000))
	}
}

// BenchmarkSequence measures leaves a second, personal parts included.
func BenchmarkSequence(b *testing.B) {
	w := newWorld(b)
	w.sequence(b)
	const n = 20_000
	for b.Loop() {
		b.StopTimer()
		w.recordMany(b, n)
		b.StartTimer()
		w.sequence(b)
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "leaves/s")
}

// recordMany writes n events as the product does, personal part and all.
func (w *world) recordMany(tb testing.TB, n int) {
	tb.Helper()
	for ; n > 0; n -= 2000 {
		w.record(tb, min(n, 2000))
	}
}

// BenchmarkVerify measures the check of 100,000 leaves.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	const n = 100_000
	w.recordMany(b, n/4)
	w.fill(b, n*3/4)
	w.sequence(b)
	for b.Loop() {
		v, err := w.Verify(b.Context(), audit.VerifyOptions{})
		if err != nil || !v.OK {
			b.Fatal(err, v)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "leaves/s")
}

// BenchmarkProve measures one proof of inclusion, checkpoint and all.
func BenchmarkProve(b *testing.B) {
	w := newWorld(b)
	w.fill(b, 100_000)
	w.sequence(b)
	id := storagetest.Value[string](b, w.url, `SELECT id::text FROM audit_leaf WHERE index = 54321`)
	for b.Loop() {
		if _, err := w.ProveEvent(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}
