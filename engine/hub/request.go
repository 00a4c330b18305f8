package hub

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAttempts  = 5               // in a row without progress
	maxRedirects = 10              // of one request
	firstWait    = time.Second / 2 // doubled with every attempt
	longestWait  = 2 * time.Minute // that a server may ask for
	stallAfter   = time.Minute     // without a byte
)

// errStalled is the cause of a request that was given up for silence.
var errStalled = errors.New("the connection fell silent")

// temporary is a failure that may not repeat.
type temporary struct {
	err  error
	wait time.Duration // that the server asks for, or 0
}

// Error is the failure's own text.
func (t *temporary) Error() string { return t.err.Error() }

// Unwrap gives the failure to errors.Is.
func (t *temporary) Unwrap() error { return t.err }

// endpoint is the hub's URL without a slash at its end.
func (c *Client) endpoint() string { return strings.TrimRight(cmp.Or(c.Endpoint, PublicHub), "/") }

// retry calls try until it succeeds, fails for good, or has failed maxAttempts times
// without having advanced.
func (c *Client) retry(ctx context.Context, try func() (advanced bool, err error)) error {
	pause := c.pause
	if pause == nil {
		pause = sleep
	}
	for failed := 0; ; {
		advanced, err := try()
		var again *temporary
		if !errors.As(err, &again) {
			return err
		}
		if advanced {
			failed = 0
		}
		failed++
		if failed == maxAttempts {
			return fmt.Errorf("%w: %w, %d times in a row", ErrUnreachable, err, failed)
		}
		wait := cmp.Or(again.wait, firstWait<<(failed-1))
		if wait > longestWait {
			return fmt.Errorf("%w: %w, and it asks to come back in %v", ErrUnreachable, err, wait)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch derives a context that ends when seen is not called for as long as limit.
func watch(parent context.Context, limit time.Duration) (ctx context.Context, seen, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	timer := time.AfterFunc(limit, func() { cancel(errStalled) })
	return ctx, func() { timer.Reset(limit) }, func() { timer.Stop(); cancel(nil) }
}

// get asks for the address and follows redirects. The token goes to the endpoint's own
// host only. The answer has a status of 2xx; other ones are errors.
func (c *Client) get(ctx context.Context, address string, header http.Header) (*http.Response, error) {
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	home, err := url.Parse(c.endpoint())
	if err != nil {
		return nil, fmt.Errorf("%w: the endpoint is no URL", ErrResponse)
	}
	for range maxRedirects {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, fmt.Errorf("%w: a URL that cannot be used", ErrResponse)
		}
		for name, values := range header {
			request.Header[name] = values
		}
		request.Header.Set("User-Agent", "retort")
		request.Header.Set("Accept-Encoding", "identity") // sizes and ranges are those of the content
		if c.Token != "" && sameHost(request.URL, home) {
			request.Header.Set("Authorization", "Bearer "+c.Token)
		}
		answer, err := client.Do(request)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", plain(request.URL), transport(ctx, err))
		}
		if answer.StatusCode/100 == 2 {
			return answer, nil
		}
		answer.Body.Close()
		target, err := answer.Location()
		if answer.StatusCode/100 != 3 || err != nil {
			return nil, fmt.Errorf("%s: %w", plain(request.URL), statusError(answer, sameHost(request.URL, home)))
		}
		if target.Scheme != "https" && target.Scheme != home.Scheme {
			return nil, fmt.Errorf("%w: redirect from %s to %s", ErrResponse, home.Scheme, target.Scheme)
		}
		address = target.String()
	}
	return nil, fmt.Errorf("%w: more than %d redirects", ErrResponse, maxRedirects)
}

// sameHost says whether two URLs are of one server: scheme, host and port.
func sameHost(a, b *url.URL) bool {
	port := func(u *url.URL) string { return cmp.Or(u.Port(), u.Scheme) }
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// plain is a URL for messages: without user, password, and the query, which may be a signature.
func plain(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// transport is the error of a request that got no answer, or not all of it: temporary,
// but for the caller's own end, an unknown host and an untrusted certificate.
func transport(ctx context.Context, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, which is told plainly elsewhere
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errStalled) {
		return cause
	} else if cause != nil {
		err = cause
	}
	var unknown *net.DNSError
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &unknown) && unknown.IsNotFound || errors.As(err, &untrusted) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return &temporary{err: err}
}

// statusError is the error of an answer that is neither 2xx nor a redirect. ours says
// that it is the hub's own, not that of a host it refers to, whose links expire. What
// the server says in words is not repeated: it may hold what it was sent.
func statusError(answer *http.Response, ours bool) error {
	status := fmt.Errorf("HTTP status %d", answer.StatusCode)
	reason := answer.Header.Get("X-Error-Code")
	switch code := answer.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500, !ours:
		return &temporary{err: status, wait: retryAfter(answer.Header.Get("Retry-After"), time.Now())}
	case reason == "EntryNotFound":
		return fmt.Errorf("%w (%w)", ErrNoFile, status)
	case reason == "RepoNotFound", reason == "RevisionNotFound", code == http.StatusNotFound:
		return fmt.Errorf("%w (%w)", ErrNotFound, status)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w (%w)", ErrDenied, status)
	}
	return fmt.Errorf("%w: %w", ErrResponse, status)
}

// retryAfter reads a Retry-After header: seconds or a date; 0 when there is none.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil && date.After(now) {
		return date.Sub(now)
	}
	return 0
}
