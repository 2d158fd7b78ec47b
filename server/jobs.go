package server

import (
	"context"
	"sync"
	"time"

	"latchkey/storage"
)

// jobs are what the server does beside answering: it follows what other nodes
// changed, writes counted events, and clears away what has expired.
func (s *Server) jobs() []func(context.Context) {
	report := func(what string) func(error) {
		return func(err error) { s.log.Error("a background job failed", "job", what, "error", err) }
	}
	run := []func(context.Context){
		func(ctx context.Context) { s.db.FollowCaches(ctx, report("follow caches")) },
		func(ctx context.Context) { s.keys.Follow(ctx, report("follow signing keys")) },
		func(ctx context.Context) { every(ctx, time.Second, s.db.FlushCounts, report("write counts")) },
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

// work runs the jobs until ctx ends, and then writes what is still counted in
// memory. It returns when all have ended.
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
