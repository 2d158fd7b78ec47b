package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// How often the sequencer looks, and when it raises its voice.
const (
	tickBusy   = 200 * time.Millisecond
	tickIdle   = time.Second
	fullEvery  = 10 * time.Minute
	checkEvery = time.Minute      // whether a checkpoint is to be kept
	lateAfter  = 30 * time.Second // an event that waits so long is an alarm
	repeat     = time.Minute      // of the same alarm
)

// runner is one node's sequencer.
type runner struct {
	*Log
	report  func(error)
	scanned time.Time // last full scan
	checked time.Time
	voices  map[string]*rate.Sometimes
}

// Run sequences until ctx ends: every 200 ms, or slower up to a second while
// nothing happens. Every node does; whoever has the lock works. Once an hour a
// checkpoint is kept. Failures and alarms are handed to report, the same alarm
// at most once a minute.
func (l *Log) Run(ctx context.Context, report func(error)) {
	r := &runner{Log: l, report: report, voices: map[string]*rate.Sometimes{}}
	pause := tickBusy
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		took, err := r.tick(ctx)
		if err != nil && ctx.Err() == nil {
			r.say(err)
		}
		if pause = min(2*pause, tickIdle); took {
			pause = tickBusy
		}
	}
}

// tick looks once and does what there is to do.
func (r *runner) tick(ctx context.Context) (took bool, err error) {
	state, err := r.db.AuditState(ctx)
	if err != nil {
		return false, err
	}
	if state.Halted != "" {
		return false, halted(state.Halted)
	}
	if state.Late > lateAfter {
		r.say(&Alarm{"late", fmt.Sprintf("an event has waited for %v", state.Late.Round(time.Second))})
	}
	full := time.Since(r.scanned) > fullEvery
	if state.Pending || full {
		if took, err = r.drain(ctx, full); err != nil {
			return took, err
		}
	}
	if full {
		r.scanned = time.Now()
	}
	if time.Since(r.checked) > checkEvery {
		r.checked = time.Now()
		return took, r.keepCheckpoint(ctx)
	}
	return took, nil
}

// drain sequences batch by batch while they are full.
func (r *runner) drain(ctx context.Context, full bool) (took bool, err error) {
	for {
		step, err := r.Sequence(ctx, full)
		for _, alarm := range step.alarms() {
			r.say(alarm)
		}
		took = took || step.Taken > 0
		if err != nil || step.Taken < batchSize {
			return took, err
		}
	}
}

// say hands an error to report, the same alarm once a minute.
func (r *runner) say(err error) {
	alarm := (*Alarm)(nil)
	if !errors.As(err, &alarm) {
		r.report(err)
		return
	}
	if r.voices[alarm.What] == nil {
		r.voices[alarm.What] = &rate.Sometimes{First: 1, Interval: repeat}
	}
	r.voices[alarm.What].Do(func() { r.report(err) })
}

// Flush takes what is pending into the tree, at the end of a node. What another
// node is taking is left to it.
func (l *Log) Flush(ctx context.Context) error {
	for {
		step, err := l.Sequence(ctx, false)
		if err != nil || step.Taken == 0 {
			return err
		}
	}
}
