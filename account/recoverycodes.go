package account

import (
	"time"

	"latchkey"
	"latchkey/templates"
)

func codesLeft(codes latchkey.RecoveryCodes, now time.Time) templates.RecoveryState {
	state := templates.RecoveryState{Left: codes.Left, Total: codes.Total}
	if !codes.MadeAt.IsZero() {
		state.Made = templates.At(codes.MadeAt, now)
	}
	if !codes.LastUsedAt.IsZero() {
		state.LastUsed = templates.At(codes.LastUsedAt, now)
	}
	return state
}
