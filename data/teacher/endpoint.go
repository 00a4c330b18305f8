package teacher

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"retort/data"
)

// EndpointOptions says which server is asked, and how.
type EndpointOptions struct {
	BaseURL     string // up to and including /v1
	Model       string
	Key         Key
	Timeout     time.Duration // for one request, from connecting to the last byte
	Connections int           // kept open for further requests
}

// Endpoint is a server that speaks OpenAI's chat completions.
type Endpoint struct {
	o       EndpointOptions
	chat    openai.ChatCompletionService
	client  *http.Client
	openAI  bool // OpenAI itself, whose newer models refuse max_tokens
	timeout time.Duration
}

var _ Teacher = (*Endpoint)(nil)

// NewEndpoint checks the address and prepares the client. Nothing is sent yet.
func NewEndpoint(o EndpointOptions) (*Endpoint, error) {
	u, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		return nil, errors.New("base_url cannot be read; give something like http://localhost:8000/v1")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("base_url must begin with http:// or https:// and name a host")
	case u.User != nil || u.RawQuery != "":
		return nil, errors.New("base_url must hold neither user and password nor a query: keys come from the environment or from api_key_file")
	case o.Model == "":
		return nil, errors.New("model is missing: which model shall the endpoint answer with?")
	}
	e := &Endpoint{o: o, client: newClient(o.Connections), openAI: u.Hostname() == "api.openai.com", timeout: o.Timeout}
	options := []option.RequestOption{
		option.WithBaseURL(o.BaseURL), option.WithHTTPClient(e.client),
		option.WithMaxRetries(0), // the run retries: it counts the money
	}
	if o.Key.Given() {
		options = append(options, option.WithAPIKey(o.Key.secret))
	}
	e.chat = openai.NewChatCompletionService(options...) // takes nothing from the environment, unlike NewClient
	return e, nil
}

// Model is the model's name as the endpoint knows it.
func (e *Endpoint) Model() string { return e.o.Model }

// Batch is 1: requests go out one by one, from many goroutines.
func (e *Endpoint) Batch() int { return 1 }

// Close gives the open connections back.
func (e *Endpoint) Close() { e.client.CloseIdleConnections() }

// Ask sends the requests, one after the other.
func (e *Endpoint) Ask(ctx context.Context, requests []Request, answered func(i int, c Completion)) error {
	for i, r := range requests {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := e.complete(context.WithoutCancel(ctx), r)
		if err != nil {
			return err
		}
		answered(i, c)
	}
	return nil
}

// complete sends one request and waits for its answer.
func (e *Endpoint) complete(ctx context.Context, r Request) (Completion, error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	var response *http.Response
	answer, err := e.chat.New(ctx, e.parameters(r), option.WithResponseInto(&response))
	if err != nil || answer == nil || len(answer.Choices) == 0 {
		return Completion{}, e.failure(r, answer, response, err)
	}
	choice := answer.Choices[0]
	c := Completion{
		Text: e.o.Key.Redact(choice.Message.Content), FinishReason: e.o.Key.Redact(choice.FinishReason),
		Model: e.o.Key.Redact(answer.Model), RequestID: e.o.Key.Redact(answer.ID),
	}
	if c.Text == "" && choice.Message.Refusal != "" {
		c.Text = e.o.Key.Redact(choice.Message.Refusal)
	}
	if id := response.Header.Get("X-Request-Id"); id != "" {
		c.RequestID = e.o.Key.Redact(id)
	}
	if c.Model == "" {
		c.Model = e.o.Model
	}
	if raw, ok := choice.Message.JSON.ExtraFields["reasoning_content"]; ok {
		c.Reasoning = e.o.Key.Redact(unquoted(raw.Raw()))
	}
	if u := answer.Usage; answer.JSON.Usage.Valid() {
		c.Usage = &data.Usage{PromptTokens: int(u.PromptTokens), CompletionTokens: int(u.CompletionTokens), TotalTokens: int(u.TotalTokens)}
	}
	if seed, ok := r.Seed(); ok {
		c.Seed = &seed
	}
	return c, nil
}

// parameters writes a request in the client's terms.
func (e *Endpoint) parameters(r Request) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: r.Prompt.Model, Temperature: openai.Float(r.Sampling.Temperature)}
	for _, m := range r.Messages {
		switch m.Role {
		case "system":
			p.Messages = append(p.Messages, openai.SystemMessage(m.Content))
		case "assistant":
			p.Messages = append(p.Messages, openai.AssistantMessage(m.Content))
		default:
			p.Messages = append(p.Messages, openai.UserMessage(m.Content))
		}
	}
	if r.Sampling.TopP != 1 {
		p.TopP = openai.Float(r.Sampling.TopP)
	}
	if e.openAI {
		p.MaxCompletionTokens = openai.Int(int64(r.Sampling.MaxNewTokens))
	} else {
		p.MaxTokens = openai.Int(int64(r.Sampling.MaxNewTokens))
	}
	if seed, ok := r.Seed(); ok {
		p.Seed = openai.Int(seed)
	}
	p.Stop.OfStringArray = r.Sampling.Stop
	return p
}

// host names the server in messages.
func (e *Endpoint) host() string {
	u, _ := url.Parse(e.o.BaseURL) // NewEndpoint has read it
	return u.Host
}

// failure says what became of a request that brought no answer.
func (e *Endpoint) failure(r Request, answer *openai.ChatCompletion, response *http.Response, err error) error {
	status := 0
	if response != nil {
		status = response.StatusCode
	}
	switch {
	case status >= 400:
		return e.refused(r, response, err)
	case status >= 200 && status < 300:
		return e.unusable(r, answer, err)
	}
	return e.unreachable(err)
}

// refused is the failure of an HTTP error status.
func (e *Endpoint) refused(r Request, response *http.Response, err error) error {
	f := &Failure{Wait: retryAfter(response.Header, time.Now())}
	code, message := "", ""
	var said *openai.Error
	if errors.As(err, &said) {
		code, message = said.Code, said.Message
	}
	switch s := response.StatusCode; {
	case code == "insufficient_quota": // sent as 429, but no waiting helps
		f.Permanent = true
	case s == 408 || s == 409 || s == 425 || s == 429:
	case s == 504: // a gateway gave up waiting for work that may go on
		f.MaybePaid = true
	default:
		f.Permanent = s < 500
	}
	f.Err = e.say("%s answers %d %s%s", e.host(), response.StatusCode, http.StatusText(response.StatusCode), detail(message))
	if f.Permanent && r.Place != "" {
		f.Err = fmt.Errorf("%w (asked for %s)", f.Err, r.Place)
	}
	if response.StatusCode == 401 && !e.o.Key.Given() {
		f.Err = fmt.Errorf("%w; no API key was given", f.Err)
	}
	return f
}

// unusable is the failure of an answer of status 2xx that holds no completion.
func (e *Endpoint) unusable(r Request, answer *openai.ChatCompletion, err error) error {
	f := &Failure{MaybePaid: true}
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		f.Err = e.say("%s did not finish its answer within %s", e.host(), e.timeout)
	case errors.Is(err, errTooLarge):
		f.Err = e.say("%s: %v", e.host(), errTooLarge)
	case err != nil && strings.Contains(err.Error(), "content-type"):
		f.Err = e.say("%s answers with something else than JSON; is base_url right?", e.host())
	case err != nil:
		f.Err = e.say("%s sent an answer that cannot be read: %v", e.host(), err)
	default:
		code, message := bodyError(answer)
		if message == "" && code == 0 {
			f.Err = e.say("%s sent an answer without choices", e.host())
			break
		}
		f.Permanent = code >= 400 && code < 500 && code != 408 && code != 409 && code != 429
		f.MaybePaid = false
		f.Err = e.say("%s answers with an error%s", e.host(), detail(message))
		if f.Permanent && r.Place != "" {
			f.Err = fmt.Errorf("%w (asked for %s)", f.Err, r.Place)
		}
	}
	return f
}

// say makes an error of one line without the key.
func (e *Endpoint) say(format string, args ...any) error {
	return errors.New(strings.Join(strings.Fields(e.o.Key.Redact(fmt.Sprintf(format, args...))), " "))
}
