package collect

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"retort/data/teacher"
)

// TestLimitsAreKeptAndUsed runs the pacer on a clock of its own: in two minutes go out at
// most what is allowed, and at least 95 % of it.
func TestLimitsAreKeptAndUsed(t *testing.T) {
	const minutes = 2
	for _, c := range []struct {
		name    string
		o       Options
		latency time.Duration
		tokens  int // what an answer really takes
	}{
		{"requests", Options{Concurrency: 16, RequestsPerMinute: 600}, time.Second, 100},
		{"many requests", Options{Concurrency: 64, RequestsPerMinute: 60_000}, 20 * time.Millisecond, 100},
		{"few requests", Options{Concurrency: 4, RequestsPerMinute: 20}, time.Second, 100},
		{"tokens", Options{Concurrency: 16, TokensPerMinute: 60_000}, time.Second, 120},
		{"long answers", Options{Concurrency: 16, TokensPerMinute: 60_000}, time.Second, 900},
		{"both", Options{Concurrency: 32, TokensPerMinute: 60_000, RequestsPerMinute: 6000}, time.Second, 120},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPacer(c.o)
				ctx, cancel := context.WithTimeout(context.Background(), minutes*time.Minute)
				defer cancel()
				sent := make([]int, c.o.Concurrency)
				done := make(chan struct{})
				for i := range c.o.Concurrency {
					go func() {
						defer func() { done <- struct{}{} }()
						for {
							batch := ask(1, 1)
							expected := p.expect(batch)
							if p.admit(ctx, 1, expected) != nil {
								return
							}
							sent[i]++
							time.Sleep(c.latency)
							p.learn(c.tokens)
							p.settle(expected, c.tokens)
						}
					}()
				}
				total := 0
				for range c.o.Concurrency {
					<-done
				}
				for _, n := range sent {
					total += n
				}
				for limit, used := range map[float64]float64{c.o.RequestsPerMinute: float64(total), c.o.TokensPerMinute: float64(total * c.tokens)} {
					if limit == 0 || c.name == "both" && limit == c.o.RequestsPerMinute {
						continue
					}
					allowed := minutes * limit
					require.LessOrEqual(t, used, allowed*1.01+float64(c.tokens)*float64(c.o.Concurrency))
					require.GreaterOrEqual(t, used, 0.95*allowed)
				}
			})
		})
	}
}

// TestAWaitHoldsEverybodyBack: after a pause nobody is admitted before its end.
func TestAWaitHoldsEverybodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := newPacer(Options{}), time.Now()
		p.pause(30 * time.Second)
		p.pause(10 * time.Second)
		require.NoError(t, p.admit(context.Background(), 1, 100))
		require.Equal(t, 30*time.Second, time.Since(began))
		ctx, cancel := context.WithCancelCause(context.Background())
		p.pause(time.Hour)
		why := errors.New("why")
		time.AfterFunc(time.Second, func() { cancel(why) })
		require.ErrorIs(t, p.admit(ctx, 1, 0), why)
	})
}

// TestBackoffGrowsAndIsBounded: half to the whole of a time that doubles.
func TestBackoffGrowsAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(context.Background())
		r := &run{o: Options{Backoff: time.Second}, pace: newPacer(Options{}), ctx: ctx, stop: stop}
		for retry, full := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			began := time.Now()
			require.NoError(t, r.wait(&teacher.Failure{Err: errors.New("x")}, retry))
			require.GreaterOrEqual(t, time.Since(began), full/2)
			require.LessOrEqual(t, time.Since(began), full)
		}
		began := time.Now()
		require.NoError(t, r.wait(&teacher.Failure{Err: errors.New("x")}, 50))
		require.LessOrEqual(t, time.Since(began), longestBackoff)
		require.Equal(t, 5, r.report.Retries)
	})
}
