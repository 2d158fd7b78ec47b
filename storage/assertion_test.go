package storage_test

import (
	"testing"
	"time"

	"latchkey/storage"
)

// TestAnAssertionThatIsOnItsWay: the second of two at once waits for the first
// and is refused, also where it could not see it yet.
func TestAnAssertionThatIsOnItsWay(t *testing.T) {
	t.Parallel()
	db := open(t)
	end := time.Now().Add(time.Minute)
	second := make(chan bool, 1)
	err := db.InTx(t.Context(), func(tx *storage.Tx) error {
		first, err := tx.SpendAssertion(t.Context(), "wiki", "one", end)
		if err != nil || !first {
			t.Errorf("the first: %t, %v", first, err)
		}
		go func() {
			first, err := db.SpendAssertion(t.Context(), "wiki", "one", end)
			if err != nil {
				t.Error(err)
			}
			second <- first
		}()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if db.Count(t, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0 {
				return nil
			}
			if time.Now().After(deadline) {
				t.Error("the second does not wait")
				return nil
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if <-second {
		t.Error("both were believed")
	}
	for _, other := range []struct{ client, id string }{{"wiki", "two"}, {"blog", "one"}} {
		if first, err := db.SpendAssertion(t.Context(), other.client, other.id, end); err != nil || !first {
			t.Errorf("%v: %t, %v", other, first, err)
		}
	}
}
