package collect

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkCollect is requests per second against a server that answers at once, in the
// same process, with the journal on and money reserved for each.
func BenchmarkCollect(b *testing.B) {
	for _, c := range []struct {
		name   string
		prices Prices
	}{{"priced", Prices{1, 1}}, {"free", Prices{}}} {
		b.Run(c.name, func(b *testing.B) {
			s := newServer(b, nil)
			e, j, requests := s.endpoint(b, time.Minute), tempJournal(b), ask(b.N, 1)
			b.ResetTimer()
			_, err := Run(context.Background(), e, j, requests, Options{Concurrency: 64, Prices: c.prices}, Hooks{})
			require.NoError(b, err)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
