package latchkey_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latchkey"
)

// TestScopesInWords: every scope that was granted is said, also one that is
// not ours, in the same order however it was asked for.
func TestScopesInWords(t *testing.T) {
	t.Parallel()
	granted := []string{"offline_access", "edit_notes", "groups", "phone", "address", "email", "profile", "openid"}
	read, act, stay := latchkey.ScopeWords(granted)
	got := append(append(read, act...), stay...)
	want := []string{
		"That it is you, by a number that means nothing elsewhere", "Your name and username, and what else is in your profile", "Your e-mail address",
		"Your postal address", "Your phone number", "The groups you are in",
		"Use “edit notes” for you", "Also when you are away, until you take this back",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	want = []string{
		"Know that it is you, by a number that means nothing elsewhere", "Read your name and username, and what else is in your profile", "Read your e-mail address",
		"Read your postal address", "Read your phone number", "Read the groups you are in", "Use “edit notes” for you", "All this also when you are away, until you remove it",
	}
	if diff := cmp.Diff(want, latchkey.ScopeSentences(granted)); diff != "" {
		t.Errorf("can (-want +got):\n%s", diff)
	}
	want = []string{
		"Know that it is you, by a number that means nothing elsewhere", "Read your e-mail address", "Read your nickname", "Read your postal address",
		"Know whether your phone number was checked", "Read the groups you are in", "All this also when you are away, until you remove it",
	}
	if diff := cmp.Diff(want, latchkey.ScopeSentences([]string{"openid", "email", "offline_access"}, "groups", "phone_number_verified", "nickname", "email", "address")); diff != "" {
		t.Errorf("by name (-want +got):\n%s", diff)
	}
	if got := latchkey.ScopeSentences(nil); len(got) != 0 {
		t.Errorf("without scopes it can %q", got)
	}
}
