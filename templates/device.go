package templates

import (
	"slices"
	"strings"

	"latchkey"
)

// The icons of devices.
const (
	iconLaptop = "laptop"
	iconPhone  = "phone"
	iconKey    = "usb"
)

// PasskeyIcon guesses the kind of device a passkey is on, from what the browser
// said when it was made. It is for display only.
func PasskeyIcon(p *latchkey.Passkey) string {
	has := func(transports ...string) bool {
		return slices.ContainsFunc(transports, func(t string) bool { return slices.Contains(p.Transports, t) })
	}
	switch {
	case has("usb", "nfc", "ble", "smart-card") && !has("internal", "hybrid"):
		return iconKey
	case p.Metadata.Attachment == "cross-platform" && has("internal", "hybrid"):
		return iconPhone
	case p.Metadata.Attachment == "cross-platform":
		return iconKey
	}
	return AgentIcon(p.Metadata.UserAgentFamily)
}

// AgentIcon goes by the system of a browser, such as "Firefox on Linux".
func AgentIcon(agent string) string {
	if strings.HasSuffix(agent, "Android") || strings.HasSuffix(agent, "iOS") {
		return iconPhone
	}
	return iconLaptop
}
