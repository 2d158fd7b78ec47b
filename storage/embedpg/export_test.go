package embedpg

import "time"

// WithDelays replaces the pauses before a dead server is started again.
func (o Options) WithDelays(delays ...time.Duration) Options {
	o.delays = delays
	return o
}
