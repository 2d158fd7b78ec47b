package latchkey

// SignUpOff refuses whatever would let somebody new in while sign-up is off:
// making an invitation, and using one that was made before.
func SignUpOff() *Problem {
	return Refuse(ErrForbidden, "sign_up_off", "Nobody new can join: invitations are switched off here.")
}
