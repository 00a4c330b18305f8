package hub

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// FromEnvironment is a Client set up as huggingface_hub is: HF_ENDPOINT; HF_TOKEN or the
// token file of HF_HOME (HF_TOKEN_PATH); the cache of HF_HUB_CACHE, else HF_HOME/hub,
// else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub; HF_HUB_OFFLINE.
func FromEnvironment() (*Client, error) {
	endpoint := strings.TrimRight(cmp.Or(os.Getenv("HF_ENDPOINT"), PublicHub), "/")
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("hub: HF_ENDPOINT is not a URL that begins with https:// or http://")
	}
	home, err := cacheHome()
	if err != nil {
		return nil, err
	}
	cache, err := expand(cmp.Or(os.Getenv("HF_HUB_CACHE"), os.Getenv("HUGGINGFACE_HUB_CACHE"), filepath.Join(home, "hub")))
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(cmp.Or(os.Getenv("HF_TOKEN"), os.Getenv("HUGGING_FACE_HUB_TOKEN")))
	if token == "" {
		if token, err = storedToken(cmp.Or(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token"))); err != nil {
			return nil, err
		}
	}
	offline := isTrue(cmp.Or(os.Getenv("HF_HUB_OFFLINE"), os.Getenv("TRANSFORMERS_OFFLINE")))
	return &Client{Endpoint: endpoint, Token: token, CacheDir: cache, Offline: offline}, nil
}

// cacheHome is the folder of everything that Hugging Face's programs keep.
func cacheHome() (string, error) {
	if home := os.Getenv("HF_HOME"); home != "" {
		return expand(home)
	}
	return expand(filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), "~/.cache"), "huggingface"))
}

// expand replaces a leading ~ and $NAME.
func expand(p string) (string, error) {
	p = os.ExpandEnv(p)
	if p != "~" && !strings.HasPrefix(p, "~/") {
		return p, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("hub: no place for the cache, set HF_HOME: %w", err)
	}
	return filepath.Join(home, p[1:]), nil
}

// storedToken is the token in a file, empty where there is none.
func storedToken(file string) (string, error) {
	file, err := expand(file)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("hub: token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// isTrue reads a switch as huggingface_hub does.
func isTrue(value string) bool {
	switch strings.ToUpper(value) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}
