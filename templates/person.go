package templates

import "latchkey"

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
