package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"

	"latchkey/audit"
	"latchkey/storage"
	"latchkey/storage/storagetest"
)

func (w *world) checkpoint(t testing.TB) *audit.Checkpoint {
	t.Helper()
	c, err := w.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantWrong demands a verdict with a first bad index (-1 = none) and words.
func (w *world) wantWrong(t testing.TB, o audit.VerifyOptions, index int64, words string) {
	t.Helper()
	v := w.verify(t, o)
	if v.OK {
		t.Fatal("nothing was found")
	}
	got := int64(-1)
	if v.FirstBadIndex != nil {
		got = *v.FirstBadIndex
	}
	if got != index || !strings.Contains(*v.Problem, words) {
		t.Errorf("first bad index %d, want %d: %q, want %q", got, index, *v.Problem, words)
	}
}

// TestCheckpointOpensWithOtherTools: note.Open and the three lines of C2SP.
func TestCheckpointOpensWithOtherTools(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	empty := w.checkpoint(t)
	if want := "id.example.com/audit\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— id.example.com/audit "; !strings.HasPrefix(empty.Note, want) {
		t.Errorf("of the empty tree: %q, want %q", empty.Note, want)
	}
	w.sequence(t)
	w.record(t, 9)
	w.sequence(t)
	c := w.checkpoint(t)
	verifier, err := note.NewVerifier(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, signed := range []string{empty.Note, c.Note} {
		if _, err := note.Open([]byte(signed), note.VerifierList(verifier)); err != nil {
			t.Errorf("%q: %v", signed, err)
		}
	}
	if want := fmt.Sprintf("id.example.com/audit\n10\n%s\n", c.Root); !strings.HasPrefix(c.Note, want) || c.Size != 10 || c.Origin != "id.example.com/audit" {
		t.Errorf("note %q, want %q", c.Note, want)
	}
	bent := strings.Replace(c.Note, "\n10\n", "\n11\n", 1)
	if _, err := note.Open([]byte(bent), note.VerifierList(verifier)); err == nil {
		t.Error("a bent note opens")
	}
}

// TestCheckpointKeyIsMadeOnce by however many nodes, and never again once it
// has signed.
func TestCheckpointKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := &world{url: storagetest.URL(t)}
	errs := make(chan error)
	for range 5 {
		node := newLog(t, storagetest.Connect(t, w.url))
		go func() { errs <- node.Prepare(t.Context()) }()
	}
	for range 5 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	w.db = storagetest.Connect(t, w.url)
	w.Log = newLog(t, w.db)
	if n := storagetest.Value[int64](t, w.url, `SELECT count(*) FROM audit_pending WHERE kind = 'key.rotated' AND reason = 'checkpoint_key'`); n != 1 {
		t.Errorf("%d keys were made, want 1", n)
	}
	c := w.checkpoint(t)
	if err := w.Keep(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.tamper(t, "DELETE FROM audit_key")
	if err := w.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("another key in place of the lost one: %v", err)
	}
}

// TestOneCheckpointAnHourIsKept.
func TestOneCheckpointAnHourIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept := func() int64 { return storagetest.Value[int64](t, w.url, `SELECT count(*) FROM audit_checkpoint`) }
	for _, step := range []struct {
		age  string
		want int64
	}{{"0 minutes", 1}, {"59 minutes", 1}, {"2 minutes", 2}, {"0 minutes", 2}} {
		storagetest.SQL(t, w.url, `UPDATE audit_checkpoint SET created_at = created_at - $1::interval`, step.age)
		w.record(t, 1)
		w.sequence(t)
		if err := w.Keep(t.Context(), w.checkpoint(t)); err != nil {
			t.Fatal(err)
		}
		if n := kept(); n != step.want {
			t.Errorf("after %s more: %d are kept, want %d", step.age, n, step.want)
		}
	}
	w.wantFine(t)
}

// TestCheckpointFromElsewhere: what was kept outside the house tells a log that
// was set back from one that goes on. SECURITY case 135.
func TestCheckpointFromElsewhere(t *testing.T) {
	t.Parallel()
	w := grown(t, 50)
	early := w.checkpoint(t)
	w.keep(t)
	w.record(t, 20)
	w.sequence(t)
	late := w.checkpoint(t)
	asJSON, err := json.Marshal(late)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"early": early.Note, "now": late.Note, "as JSON": string(asJSON)} {
		text, err := audit.ReadCheckpoint([]byte(file))
		if err != nil {
			t.Fatal(err)
		}
		if v := w.verify(t, audit.VerifyOptions{Checkpoint: text}); !v.OK {
			t.Errorf("%s: %s", name, *v.Problem)
		}
	}
	w.wantWrong(t, audit.VerifyOptions{Checkpoint: strings.Replace(late.Note, "\n70\n", "\n69\n", 1)}, -1, "not signed by this installation")
	other := grown(t, 70)
	w.wantWrong(t, audit.VerifyOptions{Checkpoint: other.checkpoint(t).Note}, -1, "not signed by this installation")

	w.restore(t) // the database of yesterday
	w.tamper(t, "DELETE FROM audit_pending")
	if v := w.verify(t, audit.VerifyOptions{}); !v.OK {
		t.Fatalf("without a checkpoint nothing shows: %s", *v.Problem)
	}
	w.wantWrong(t, audit.VerifyOptions{Checkpoint: late.Note}, 50, "log shrank")
	if v := w.verify(t, audit.VerifyOptions{Checkpoint: early.Note}); !v.OK {
		t.Errorf("yesterday's checkpoint: %s", *v.Problem)
	}
	w.tamper(t, "DELETE FROM audit_pending")
	w.record(t, 30) // and other events instead
	w.sequence(t)
	w.wantWrong(t, audit.VerifyOptions{Checkpoint: late.Note}, 0, "fork")
	if err := w.Keep(t.Context(), early); err != nil {
		t.Fatal(err)
	}
	w.wantWrong(t, audit.VerifyOptions{Checkpoint: late.Note}, 50, "fork")
}

// TestCheckpointOfAnotherAddress: an installation that moved still knows what it
// signed before.
func TestCheckpointOfAnotherAddress(t *testing.T) {
	t.Parallel()
	w := grown(t, 5)
	before := w.checkpoint(t)
	moved, err := audit.New(audit.Options{DB: w.db, Issuer: "https://login.example.org:8443"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := moved.Verify(t.Context(), audit.VerifyOptions{Checkpoint: before.Note})
	if err != nil || !v.OK {
		t.Errorf("verdict %+v, %v", v, err)
	}
	c, err := moved.Checkpoint(t.Context())
	if err != nil || c.Origin != "login.example.org:8443/audit" || !strings.HasPrefix(c.Note, c.Origin+"\n") {
		t.Errorf("checkpoint %+v, %v", c, err)
	}
}

// TestFilesThatAreNoCheckpoint are refused before anything is looked at.
func TestFilesThatAreNoCheckpoint(t *testing.T) {
	t.Parallel()
	good := grown(t, 3).checkpoint(t).Note
	lines := strings.Split(good, "\n")
	for name, file := range map[string]string{
		"empty":             "",
		"other text":        "hello\nworld\n",
		"no origin":         "\n" + strings.Join(lines[1:], "\n"),
		"size with a sign":  strings.Replace(good, "\n3\n", "\n+3\n", 1),
		"size with zeros":   strings.Replace(good, "\n3\n", "\n03\n", 1),
		"size below zero":   strings.Replace(good, "\n3\n", "\n-3\n", 1),
		"size too large":    strings.Replace(good, "\n3\n", "\n9223372036854775808\n", 1),
		"root cut":          strings.Replace(good, lines[2], lines[2][:20], 1),
		"root not base64":   strings.Replace(good, lines[2], strings.Repeat("!", 44), 1),
		"root spelled else": strings.Replace(good, lines[2], lines[2][:42]+"\r"+lines[2][42:], 1),
		"JSON without note": `{"size": 3}`,
		"broken JSON":       `{"note": `,
		"too long":          good + strings.Repeat("x", 100_000),
	} {
		if _, err := audit.ReadCheckpoint([]byte(file)); !errors.Is(err, audit.ErrNoCheckpoint) {
			t.Errorf("%s: %v, want ErrNoCheckpoint", name, err)
		}
	}
	if _, err := audit.ReadCheckpoint([]byte(good)); err != nil {
		t.Error(err)
	}
}

// TestAnUnchangedTreeIsSignedOnce: asked again, it costs one look at the head;
// grown, it is signed anew.
func TestAnUnchangedTreeIsSignedOnce(t *testing.T) {
	t.Parallel()
	asked := &questions{}
	w := newWorld(t, func(o *storage.Options) { o.Tracer = asked })
	w.sequence(t)
	first := w.checkpoint(t)
	asked.take()
	again := w.checkpoint(t)
	if got := asked.take(); len(got) != 1 || !strings.Contains(got[0], "audit_head") {
		t.Errorf("asked again, it looks at %q, want the head alone", got)
	}
	if again.Note != first.Note {
		t.Errorf("%q, then %q", first.Note, again.Note)
	}
	w.record(t, 1)
	w.sequence(t)
	asked.take()
	grown := w.checkpoint(t)
	if got := asked.take(); len(got) != 2 || !strings.Contains(got[1], "audit_key") || grown.Size != first.Size+1 {
		t.Errorf("of size %d, and it looks at %q", grown.Size, got)
	}
	w.tamper(t, `UPDATE audit_head SET root = sha256('')`)
	if c := w.checkpoint(t); c.Note == grown.Note {
		t.Error("another root of the same size is given out as the old one")
	}
}

// questions collects the statements sent to the database.
type questions struct {
	mu  sync.Mutex
	sql []string
}

func (q *questions) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sql = append(q.sql, d.SQL)
	return ctx
}

func (q *questions) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (q *questions) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	sql := q.sql
	q.sql = nil
	return sql
}
