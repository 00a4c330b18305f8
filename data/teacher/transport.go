package teacher

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/openai/openai-go/v3"
)

// maxBodyBytes is the largest answer that is read.
const maxBodyBytes = 32 << 20

var errTooLarge = fmt.Errorf("the answer is larger than %d MiB", maxBodyBytes>>20)

// redirectError is returned for a redirect, which is never followed: it would
// take prompts, and the key, to where the user did not send them.
type redirectError struct{ to *url.URL }

// Error names the place that the server points to.
func (e *redirectError) Error() string {
	return fmt.Sprintf("redirects to %s://%s", e.to.Scheme, e.to.Host)
}

// newClient is an HTTP client that follows no redirect and reads no endless body.
func newClient(connections int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, max(2, connections)
	t.DialContext = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	return &http.Client{
		Transport:     boundedTransport{t},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error { return &redirectError{r.URL} },
	}
}

// boundedTransport ends bodies that are longer than maxBodyBytes.
type boundedTransport struct{ *http.Transport }

// RoundTrip sends one request.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(r)
	if err == nil {
		response.Body = &boundedBody{response.Body, maxBodyBytes}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read fails once more than maxBodyBytes have come.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// unreachable is the failure of a request that brought no status at all.
func (e *Endpoint) unreachable(err error) error {
	f := &Failure{MaybePaid: true}
	var redirect *redirectError
	var certificate *tls.CertificateVerificationError
	var operation *net.OpError
	switch {
	case errors.As(err, &redirect):
		return &Failure{Permanent: true, Err: e.say("%s %v; redirects are not followed, so that prompts and key stay where they were sent: give that address as base_url if you trust it", e.host(), redirect)}
	case errors.As(err, &certificate):
		return &Failure{Permanent: true, Err: e.say("%s: %v", e.host(), certificate)}
	case errors.Is(err, context.DeadlineExceeded):
		f.Err = e.say("%s did not answer within %s", e.host(), e.timeout)
	case errors.As(err, &operation) && operation.Op == "dial":
		f.MaybePaid = false
		f.Err = e.say("%s cannot be reached: %v", e.host(), operation.Err)
	default:
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without method and address
		}
		f.Err = e.say("%s: the connection broke: %v", e.host(), err)
	}
	return f
}

// bodyError reads {"error": {"message", "code"}} or {"error": "…"} from an
// answer of status 200, as some gateways send it.
func bodyError(answer *openai.ChatCompletion) (code int, message string) {
	var body struct {
		Error json.RawMessage `json:"error"`
	}
	if answer == nil || json.Unmarshal([]byte(answer.RawJSON()), &body) != nil {
		return 0, ""
	}
	var said struct {
		Message string          `json:"message"`
		Code    json.RawMessage `json:"code"`
	}
	if json.Unmarshal(body.Error, &said) != nil {
		return 0, unquoted(string(body.Error))
	}
	_ = json.Unmarshal(said.Code, &code) // codes may be words: then only the message tells
	return code, said.Message
}

// unquoted is a JSON string's text, "" for any other value.
func unquoted(raw string) (text string) {
	_ = json.Unmarshal([]byte(raw), &text)
	return text
}

// detail is a server's message as the end of a line.
func detail(message string) string {
	if message == "" {
		return ""
	}
	if runes := []rune(message); len(runes) > 300 {
		message = string(runes[:300]) + "…"
	}
	return ": " + message
}
