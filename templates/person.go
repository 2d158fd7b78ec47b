package templates

import "latchkey"

// AppFacts are what an application says about itself where somebody decides
// whether to go on with it.
type AppFacts struct {
	Logo     string // local address of the copy of its logo; "" = none
	Policy   string // address of its privacy policy; "" = none
	Terms    string // address of its terms of service; "" = none
	Contacts []string
}

// AppFactsOf are those of a registered application.
func AppFactsOf(c *latchkey.Client) AppFacts {
	return AppFacts{Logo: c.LogoPath(), Policy: c.Metadata.PolicyURI, Terms: c.Metadata.TOSURI, Contacts: c.Metadata.Contacts}
}

// PersonOf is the person of a session as the frame of a page shows them; nil
// without a session.
func PersonOf(s *latchkey.Session) *Person {
	if s == nil {
		return nil
	}
	name := s.DisplayName
	if name == "" {
		name = s.Username
	}
	return &Person{Name: name, Detail: s.Username, Admin: s.Role == latchkey.RoleAdmin}
}
