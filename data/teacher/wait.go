package teacher

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// resetHeaders are those that tell when a limit is full again, with what is left of it.
var resetHeaders = []struct{ reset, remaining string }{
	{"X-Ratelimit-Reset-Requests", "X-Ratelimit-Remaining-Requests"},
	{"X-Ratelimit-Reset-Tokens", "X-Ratelimit-Remaining-Tokens"},
	{"X-Ratelimit-Reset", "X-Ratelimit-Remaining"},
	{"Anthropic-Ratelimit-Requests-Reset", "Anthropic-Ratelimit-Requests-Remaining"},
	{"Anthropic-Ratelimit-Tokens-Reset", "Anthropic-Ratelimit-Tokens-Remaining"},
}

// retryAfter is how long a server asks to wait, 0 when it does not say. It reads,
// in this order: retry-after-ms; Retry-After in seconds or as an HTTP date; the
// x-ratelimit-reset-* headers, of requests and tokens the one that is used up.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil {
		return seconds(ms / 1000)
	}
	if text := strings.TrimSpace(h.Get("Retry-After")); text != "" {
		if s, err := strconv.ParseFloat(text, 64); err == nil {
			return seconds(s)
		}
		if at, err := http.ParseTime(text); err == nil {
			if sent, err := http.ParseTime(h.Get("Date")); err == nil {
				now = sent // the server's own clock: ours may be off
			}
			return max(0, at.Sub(now))
		}
	}
	var longest, usedUp time.Duration
	for _, limit := range resetHeaders {
		wait := resetAfter(h.Get(limit.reset), now)
		longest = max(longest, wait)
		if h.Get(limit.remaining) == "0" {
			usedUp = max(usedUp, wait)
		}
	}
	if usedUp > 0 {
		return usedUp
	}
	return longest
}

// resetAfter reads one reset header: a duration as Go writes it ("6m0s", "20ms"),
// seconds, the time as seconds or milliseconds since 1970, or an RFC 3339 time.
func resetAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if d, err := time.ParseDuration(text); err == nil {
		return max(0, d)
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return max(0, at.Sub(now))
	}
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return 0
	case n > 1e12: // milliseconds since 1970
		return max(0, time.UnixMilli(int64(min(n, 1e15))).Sub(now))
	case n > 1e9: // seconds since 1970
		return max(0, time.Unix(int64(n), 0).Sub(now))
	}
	return seconds(n)
}

// seconds is a duration from a number that a server sent.
func seconds(s float64) time.Duration {
	if !(s > 0) {
		return 0
	}
	return time.Duration(math.Min(s, 1e9) * float64(time.Second))
}
