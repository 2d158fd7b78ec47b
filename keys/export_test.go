package keys

// Forget drops the remembered tokens, so that the next look is a whole one.
func (r *Ring) Forget() { r.trusted.InvalidateAll() }
