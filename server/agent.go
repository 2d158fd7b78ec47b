package server

import (
	"github.com/mileusna/useragent"

	"latchkey/storage"
)

// longestAgent is how much of a family and system is kept with a session.
const longestAgent = 120

// agentFamily says which family of browser on which system, such as "Firefox on
// Linux", and no more: versions would tell people's devices apart. It is empty
// for whatever names neither, and for a name that could hide or reorder text
// where sessions are listed.
func agentFamily(agent string) string {
	ua := useragent.Parse(agent)
	family := cut(ua.Name, 40)
	switch {
	case ua.Name == "" && ua.OS == "":
		return ""
	case ua.Name == "":
		family = cut(ua.OS, 40)
	case ua.OS != "":
		family += " on " + cut(ua.OS, 40)
	}
	name, ok := storage.CleanName(family, longestAgent)
	if !ok {
		return ""
	}
	return name
}
