package passkeytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// ClientData is what the client binds into the signature: the collected
// client data of WebAuthn section 5.8.1.
type ClientData struct {
	Type, Challenge, Origin string
	CrossOrigin             bool
	TopOrigin               string // empty writes no member
	// Extra are further members, such as tokenBinding, in the order of their
	// names after all others.
	Extra map[string]any
	// Before and After are written around the object as they are: a byte
	// order mark, trailing JSON.
	Before, After []byte
}

// encode serializes in the order and form of section 5.8.1.1.
func (c ClientData) encode() ([]byte, error) {
	out := append([]byte(nil), c.Before...)
	out = append(out, '{')
	for i, m := range []struct {
		name  string
		value any
	}{{"type", c.Type}, {"challenge", c.Challenge}, {"origin", c.Origin}, {"crossOrigin", c.CrossOrigin}} {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendMember(out, m.name, m.value); err != nil {
			return nil, err
		}
	}
	extra := maps.Clone(c.Extra)
	if c.TopOrigin != "" {
		if extra == nil {
			extra = map[string]any{}
		}
		extra["topOrigin"] = c.TopOrigin
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		var err error
		if out, err = appendMember(append(out, ','), name, extra[name]); err != nil {
			return nil, err
		}
	}
	return append(append(out, '}'), c.After...), nil
}

func appendMember(out []byte, name string, value any) ([]byte, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("client data member %s: %w", name, err)
	}
	out = append(out, '"')
	out = append(out, name...)
	return append(append(out, '"', ':'), encoded...), nil
}

// clientData makes the client data of one ceremony, with the hooks applied.
func (a *Authenticator) clientData(ceremony, challenge string) ([]byte, error) {
	c := ClientData{Type: ceremony, Challenge: challenge, Origin: a.Origin}
	if a.Bend.ClientData != nil {
		a.Bend.ClientData(&c)
	}
	out, err := c.encode()
	if err != nil {
		return nil, err
	}
	if a.Bend.ClientDataJSON != nil {
		out = a.Bend.ClientDataJSON(out)
	}
	return out, nil
}
