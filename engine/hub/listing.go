package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

const (
	maxPageBytes = 64 << 20
	maxPages     = 500 // of a thousand files or so
)

// askCommit asks what commit the revision stands for.
func (s *snapshot) askCommit(ctx context.Context) (string, error) {
	var info struct {
		SHA string `json:"sha"`
	}
	_, err := s.client.getJSON(ctx, s.url(s.kind.api, "revision", url.PathEscape(s.revision)), &info)
	if err == nil && !commitHash.MatchString(info.SHA) {
		err = fmt.Errorf("%w: no commit for revision %s", ErrResponse, s.revision)
	}
	return info.SHA, err
}

// askFiles asks for the files of the commit.
func (s *snapshot) askFiles(ctx context.Context) (map[string]entry, error) {
	files := map[string]entry{}
	next := s.url(s.kind.api, "tree", s.commit) + "?recursive=true"
	for range maxPages {
		var page []struct {
			Type, Path, OID string
			Size            int64
			LFS             *struct {
				OID  string
				Size int64
			}
			XetHash string
		}
		more, err := s.client.getJSON(ctx, next, &page)
		if err != nil {
			return nil, err
		}
		for _, item := range page {
			file := entry{Size: item.Size, BlobID: item.OID, XetHash: item.XetHash}
			if item.LFS != nil {
				file.SHA256, file.LFSSize = item.LFS.OID, item.LFS.Size
			}
			if item.Type == "file" {
				files[item.Path] = file
			}
		}
		if next = more; next == "" {
			return files, nil
		}
	}
	return nil, fmt.Errorf("%w: more than %d pages of files", ErrResponse, maxPages)
}

// url is endpoint + prefix + repository + the further parts, already escaped.
func (s *snapshot) url(prefix string, parts ...string) string {
	return s.client.endpoint() + prefix + s.repo + "/" + strings.Join(parts, "/")
}

// fileURL is where the content of a file is, or a redirect to it.
func (s *snapshot) fileURL(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return s.url(s.kind.resolve, "resolve", s.commit, strings.Join(parts, "/"))
}

// nextLink is the address of the next page in a Link header.
var nextLink = regexp.MustCompile(`<([^>]*)>\s*;[^,]*rel="?next"?`)

// getJSON reads one page into out and returns the address of the next, or "".
func (c *Client) getJSON(ctx context.Context, address string, out any) (next string, err error) {
	err = c.retry(ctx, func() (bool, error) {
		ctx, seen, stop := watch(ctx, stallAfter)
		defer stop()
		answer, err := c.get(ctx, address, nil)
		if err != nil {
			return false, err
		}
		defer answer.Body.Close()
		seen()
		text, err := io.ReadAll(io.LimitReader(answer.Body, maxPageBytes+1))
		if err != nil {
			return false, transport(ctx, err)
		}
		if len(text) > maxPageBytes || json.Unmarshal(text, out) != nil {
			return false, fmt.Errorf("%w: %s is no JSON of at most %d bytes", ErrResponse, plain(answer.Request.URL), maxPageBytes)
		}
		next, err = nextPage(answer)
		return false, err
	})
	return next, err
}

// nextPage is the address of the page after the answer, or "".
func nextPage(answer *http.Response) (string, error) {
	link := nextLink.FindStringSubmatch(answer.Header.Get("Link"))
	if link == nil {
		return "", nil
	}
	next, err := answer.Request.URL.Parse(link[1])
	if err != nil {
		return "", errors.Join(ErrResponse, errors.New("the link to the next page is no URL"))
	}
	return next.String(), nil
}
