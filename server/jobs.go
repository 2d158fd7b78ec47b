package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"latchkey/audit"
	"latchkey/storage"
)

// jobs are what the server does beside answering: it follows what other nodes
// changed, writes counted events, tells applications of sign-outs, and clears
// away what has expired.
func (s *Server) jobs() []func(context.Context) {
	report := func(what string) func(error) {
		return func(err error) { s.log.Error("a background job failed", "job", what, "error", err) }
	}
	run := []func(context.Context){
		func(ctx context.Context) { s.db.FollowCaches(ctx, report("follow caches")) },
		func(ctx context.Context) { s.keys.Follow(ctx, report("follow signing keys")) },
		func(ctx context.Context) {
			atOnceAndEvery(ctx, time.Hour, s.keys.Maintain, report("rotate signing keys"))
		},
		func(ctx context.Context) { every(ctx, time.Second, s.db.FlushCounts, report("write counts")) },
		func(ctx context.Context) {
			every(ctx, 5*time.Second, s.db.FlushCallers, report("write who fetched the keys"))
		},
		func(ctx context.Context) { s.audit.Run(ctx, s.auditTrouble) },
		func(ctx context.Context) {
			every(ctx, time.Minute, s.provider.FetchLogos, report("fetch logos"))
		},
		func(ctx context.Context) { s.provider.DeliverLogouts(ctx, report("tell applications of sign-outs")) },
	}
	for _, sweeper := range storage.Sweepers() {
		sweep := func(ctx context.Context) error {
			_, err := s.db.Sweep(ctx, sweeper)
			return err
		}
		run = append(run, func(ctx context.Context) { every(ctx, sweeper.Every, sweep, report("sweep "+sweeper.Name)) })
	}
	return run
}

// auditTrouble logs what the sequencer reports. An alarm needs somebody to look
// at the record; nobody is kept from signing in by it.
func (s *Server) auditTrouble(err error) {
	if alarm := (*audit.Alarm)(nil); errors.As(err, &alarm) {
		s.log.Error("ALARM: the audit log needs attention", "alarm", alarm.What, "detail", alarm.Text, "next_step", "run latchkey audit verify")
		return
	}
	s.log.Error("a background job failed", "job", "sequence the audit log", "error", err)
}

// work runs the jobs until ctx ends, then writes what is still counted in
// memory and takes the last events into the audit tree. It returns when all have
// ended.
func (s *Server) work(ctx context.Context) {
	var running sync.WaitGroup
	for _, job := range s.jobs() {
		running.Go(func() { job(ctx) })
	}
	running.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.db.FlushAllCounts(last); err != nil {
		s.log.Error("the last counts were not written", "error", err)
	}
	if err := s.audit.Flush(last); err != nil {
		s.auditTrouble(err)
	}
}

func atOnceAndEvery(ctx context.Context, pause time.Duration, do func(context.Context) error, report func(error)) {
	if err := do(ctx); err != nil && ctx.Err() == nil {
		report(err)
	}
	every(ctx, pause, do, report)
}

func every(ctx context.Context, pause time.Duration, do func(context.Context) error, report func(error)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := do(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}
