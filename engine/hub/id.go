package hub

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// kind is what a repository holds, and how the hub and its cache spell that.
type kind struct{ name, folder, api, resolve string }

var (
	models   = kind{name: "model", folder: "models--", api: "/api/models/", resolve: "/"}
	datasets = kind{name: "dataset", folder: "datasets--", api: "/api/datasets/", resolve: "/datasets/"}
)

// address is what an id names.
type address struct {
	repo     string // "org/name"
	revision string // branch, tag or commit
	file     string // within the repository, with slashes; may be empty
}

const maxRepoBytes = 96

var (
	repoName   = regexp.MustCompile(`^\w([\w.-]*\w)?/\w([\w.-]*\w)?$`)
	revisionOf = regexp.MustCompile(`^\w[\w./+-]*$`)
	commitHash = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// fileTypes are extensions that say that a name of the form "a/b" is a path.
var fileTypes = map[string]bool{
	".jsonl": true, ".json": true, ".parquet": true, ".csv": true, ".txt": true, ".zst": true,
	".gguf": true, ".safetensors": true, ".bin": true, ".yaml": true, ".yml": true,
}

// IsID says whether s is a hub id, "org/name" with an optional "@revision" and ":file",
// and neither an existing path nor the name of a data or weight file ("runs/a.jsonl").
func IsID(s string) bool {
	if _, err := os.Lstat(s); err == nil {
		return false
	}
	at, err := parseID(s)
	return err == nil && !fileTypes[strings.ToLower(path.Ext(at.repo))]
}

// parseID splits "org/name@revision:file".
func parseID(id string) (address, error) {
	rest, file, named := strings.Cut(id, ":")
	repo, revision, revised := strings.Cut(rest, "@")
	if !revised {
		revision = "main"
	}
	at := address{repo, revision, file}
	switch {
	case !repoName.MatchString(repo) || len(repo) > maxRepoBytes || strings.Contains(repo, "--") || strings.Contains(repo, ".."):
		return at, fmt.Errorf("%w: %.120q is not of the form org/name", ErrID, repo)
	case !revisionOf.MatchString(revision) || !filepath.IsLocal(revision) || path.Clean(revision) != revision:
		return at, fmt.Errorf("%w: %.120q is no revision", ErrID, revision)
	case named && !isFileName(file):
		return at, fmt.Errorf("%w: %.120q is no file within a repository", ErrID, file)
	}
	return at, nil
}

// isFileName says whether name is a file within a folder, whatever the system.
func isFileName(name string) bool {
	return name != "." && fs.ValidPath(name) && filepath.IsLocal(filepath.FromSlash(name)) && !strings.ContainsAny(name, "\\\x00")
}
