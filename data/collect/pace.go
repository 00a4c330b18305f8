package collect

import (
	"context"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"retort/data/teacher"
)

// pacer keeps a teacher's limits. Requests and tokens are spread evenly, never
// saved up: in no window of a minute go out more than allowed.
type pacer struct {
	requests, tokens *rate.Limiter // nil without a limit

	mu      sync.Mutex
	until   time.Time // nobody sends before
	answers int
	total   int // tokens of prompt and answer of all of them
	credit  int // tokens that were counted in advance and not used

	turn chan struct{} // holds one: tokens are taken by one attempt at a time
}

func newPacer(o Options) *pacer {
	p := &pacer{turn: make(chan struct{}, 1)}
	if o.RequestsPerMinute > 0 {
		p.requests = rate.NewLimiter(rate.Limit(o.RequestsPerMinute/60), 1)
	}
	if o.TokensPerMinute > 0 { // at once at most what a tenth of a second allows
		p.tokens = rate.NewLimiter(rate.Limit(o.TokensPerMinute/60), int(math.Max(1, o.TokensPerMinute/600)))
	}
	return p
}

// pause has everybody wait.
func (p *pacer) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
	}
}

// expect is how many tokens a batch will take: as many as the others took on
// average, at first as many as it may.
func (p *pacer) expect(batch []teacher.Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answers > 0 {
		return len(batch) * (p.total / p.answers)
	}
	n := 0
	for _, q := range batch {
		n += estimatedTokens(q.Bytes()) + q.Sampling.MaxNewTokens
	}
	return n
}

// learn counts the tokens of one answer and its prompt.
func (p *pacer) learn(tokens int) {
	p.mu.Lock()
	p.answers, p.total = p.answers+1, p.total+tokens
	p.mu.Unlock()
}

// settle corrects an expectation once the truth is known.
func (p *pacer) settle(expected, used int) {
	p.mu.Lock()
	p.credit += expected - used // below 0 it is a debt
	p.mu.Unlock()
}

// admit returns when so many requests with so many tokens may be sent.
func (p *pacer) admit(ctx context.Context, requests, tokens int) error {
	if p.tokens != nil {
		if err := p.takeTokens(ctx, tokens); err != nil {
			return err
		}
	}
	for range requests {
		if p.requests == nil {
			break
		}
		if err := p.requests.Wait(ctx); err != nil {
			return ended(ctx, err)
		}
	}
	for {
		p.mu.Lock()
		left := time.Until(p.until)
		p.mu.Unlock()
		if left <= 0 {
			return context.Cause(ctx)
		}
		if err := sleep(ctx, left); err != nil {
			return err
		}
	}
}

// takeTokens waits for tokens, as many at a time as the limiter gives at once.
func (p *pacer) takeTokens(ctx context.Context, tokens int) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	p.mu.Lock()
	tokens -= p.credit
	p.credit = max(0, -tokens)
	p.mu.Unlock()
	for tokens > 0 {
		n := min(tokens, p.tokens.Burst())
		if err := p.tokens.WaitN(ctx, n); err != nil {
			return ended(ctx, err)
		}
		tokens -= n
	}
	return nil
}

// ended is why a wait was cut short.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
