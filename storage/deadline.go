package storage

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// answerTimeout is how long a statement may go without its answer. It is above
// the statement_timeout of the session: a database that is alive ends a slow
// statement itself, with a reason. This is for one that says nothing, such as
// behind a frozen disk or a cut network, where the kernel still takes all that
// is sent.
const answerTimeout = 3500 * time.Millisecond

// deadline gives each statement and each batch its answerTimeout. pgx runs them
// with the context that its tracer returns, and this is the one place that all
// of them pass. When the time is over, pgx closes the connection.
type deadline struct{}

// endDeadline finds what releases the timer of a deadline.
type endDeadline struct{}

func withDeadline(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	return context.WithValue(ctx, endDeadline{}, cancel)
}

func release(ctx context.Context) {
	if cancel, ok := ctx.Value(endDeadline{}).(context.CancelFunc); ok {
		cancel()
	}
}

func (deadline) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return withDeadline(ctx)
}

func (deadline) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	release(ctx)
}

func (deadline) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return withDeadline(ctx)
}

func (deadline) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (deadline) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	release(ctx)
}

func (deadline) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return withDeadline(ctx)
}

func (deadline) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromEndData) {
	release(ctx)
}
