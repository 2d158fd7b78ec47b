package latchkey

import (
	"slices"
	"strings"
)

// scopes are those that say something about the person, in the order in which
// they are shown: as what an application asks for, and as what it can do.
var scopes = []struct{ name, asked, can string }{
	{"openid", "That it is you, by a number that means nothing elsewhere", "Know that it is you, by a number that means nothing elsewhere"},
	{"profile", "Your name and username, and what else is in your profile", "Read your name and username, and what else is in your profile"},
	{"email", "Your e-mail address", "Read your e-mail address"},
	{"address", "Your postal address", "Read your postal address"},
	{"phone", "Your phone number", "Read your phone number"},
	{"groups", "The groups you are in", "Read the groups you are in"},
}

const scopeOffline = "offline_access"

// ScopeWords says in words what scopes give an application: what it may read,
// what it may do, and whether it stays when the person is away. A scope that is
// not ours is named as it is.
func ScopeWords(granted []string) (read, act, stay []string) {
	for _, s := range scopes {
		if slices.Contains(granted, s.name) {
			read = append(read, s.asked)
		}
	}
	act = foreignScopes(granted)
	if slices.Contains(granted, scopeOffline) {
		stay = append(stay, "Also when you are away, until you take this back")
	}
	return read, act, stay
}

// ScopeSentences says the same in one list, each a full sentence without its
// subject, the application. named are claims that were allowed by name besides.
func ScopeSentences(granted []string, named ...string) (can []string) {
	for _, s := range scopes {
		if slices.Contains(granted, s.name) {
			can = append(can, s.can)
		}
	}
	can = append(append(can, claimSentences(named, granted)...), foreignScopes(granted)...)
	if slices.Contains(granted, scopeOffline) {
		can = append(can, "All this also when you are away, until you remove it")
	}
	return can
}

// claimSentences says of claims by name, as far as scopes do not give them
// anyway, what ScopeSentences says of scopes.
func claimSentences(named, granted []string) (can []string) {
	for _, c := range claims {
		if !slices.Contains(named, c.Name) || slices.Contains(granted, c.Scope) {
			continue
		}
		verb := "Read "
		if !strings.HasPrefix(c.Words, "Your ") && !strings.HasPrefix(c.Words, "The ") { // that, whether or when something is
			verb = "Know "
		}
		can = append(can, verb+strings.ToLower(c.Words[:1])+c.Words[1:])
	}
	return can
}

func foreignScopes(granted []string) (words []string) {
	for _, name := range granted {
		ours := name == scopeOffline
		for _, s := range scopes {
			ours = ours || s.name == name
		}
		if !ours {
			words = append(words, "Use “"+strings.ReplaceAll(name, "_", " ")+"” for you")
		}
	}
	return words
}
