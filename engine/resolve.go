package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"retort/engine/hub"
)

// ResolveModel turns what a user may give as model_name_or_path into a path: an existing
// folder or file as it is, a hub id ("org/name") into the folder of its files, from the
// local Hugging Face cache or downloaded.
func ResolveModel(ctx context.Context, name string) (string, error) {
	return resolve(ctx, "model_name_or_path", name, (*hub.Client).Model)
}

// ResolveAdapter is ResolveModel for an adapter's folder.
func ResolveAdapter(ctx context.Context, name string) (string, error) {
	return resolve(ctx, "adapter_name_or_path", name, (*hub.Client).Adapter)
}

// ResolveDataset is ResolveModel for a data file ("org/name:path/in/the/repository").
func ResolveDataset(ctx context.Context, name string) (string, error) {
	return resolve(ctx, "dataset", name, (*hub.Client).Dataset)
}

func resolve(ctx context.Context, key, name string, fetch func(*hub.Client, context.Context, string) (string, error)) (string, error) {
	if name == "" {
		return "", nil
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(name, "/") || !hub.IsID(name) {
		return name, nil
	}
	client, err := hub.FromEnvironment()
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrBadInput, key, err)
	}
	path, err := fetch(client, ctx, name)
	if err != nil {
		return "", fmt.Errorf("%w: %s: %q is no file or folder here, and as a hub id: %w", ErrBadInput, key, name, err)
	}
	return path, nil
}
