package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

const (
	copyBytes     = 1 << 20  // read and written at a time
	advanceBytes  = 64 << 10 // beyond all attempts before, to count as progress
	lockPollEvery = 50 * time.Millisecond
)

// download puts the file's content among the blobs, unless it is there, and links it.
// The lock is the one of huggingface_hub; where locks do not hold, the check of what
// lies on the disk still lets no mixed content pass.
func (s *snapshot) download(ctx context.Context, name string, file entry) error {
	content := newHash(file)
	if content == nil {
		return fmt.Errorf("%w: no hash to check it by", ErrResponse)
	}
	blob := path.Join(s.folder, "blobs", file.hash())
	for _, dir := range []string{path.Dir(blob), path.Join(".locks", s.folder)} {
		if err := s.root.MkdirAll(dir, 0o755); err != nil {
			return diskError(err)
		}
	}
	unlock, err := s.lock(ctx, path.Join(".locks", s.folder, file.hash()+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if !s.isWhole(blob, file.bytes()) {
		if err := s.receive(ctx, name, file, blob, content); err != nil {
			return diskError(err)
		}
	}
	return diskError(s.link(name, blob))
}

// newHash is the hash that the file is listed with, nil when that is neither a SHA-256
// nor a Git blob's SHA-1.
func newHash(file entry) hash.Hash {
	if _, err := hex.DecodeString(file.hash()); err != nil || strings.ToLower(file.hash()) != file.hash() || file.bytes() < 0 {
		return nil
	}
	switch {
	case file.SHA256 != "" && len(file.SHA256) == 2*sha256.Size:
		return sha256.New()
	case file.SHA256 == "" && len(file.BlobID) == 2*sha1.Size:
		h := sha1.New()
		fmt.Fprintf(h, "blob %d\x00", file.Size)
		return h
	}
	return nil
}

// lock takes the lock file at the path, waiting for other processes.
func (s *snapshot) lock(ctx context.Context, at string) (unlock func(), err error) {
	f, err := s.root.OpenFile(at, os.O_RDWR|os.O_CREATE, 0o664)
	if err != nil {
		return nil, diskError(err)
	}
	for !tryLock(f) {
		if err := sleep(ctx, lockPollEvery); err != nil {
			f.Close()
			return nil, err
		}
	}
	return func() { f.Close() }, nil
}

// receive downloads into the blob's .incomplete file, from where that ends, and makes
// it the blob when its content is right. An old beginning that turns out to be wrong
// is given a second chance without it.
func (s *snapshot) receive(ctx context.Context, name string, file entry, blob string, content hash.Hash) error {
	partial := blob + ".incomplete"
	out, err := s.root.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	for {
		old, err := s.complete(ctx, out, name, file.bytes())
		if err != nil {
			return err
		}
		right, err := matches(out, content, file.hash())
		if err != nil {
			return err
		}
		if right {
			break
		}
		if err := out.Truncate(0); err != nil {
			return err
		}
		if old == 0 {
			s.root.Remove(partial)
			return fmt.Errorf("%w %s", ErrHash, file.hash())
		}
		content = newHash(file)
	}
	if err := out.Sync(); err != nil {
		return err
	}
	return s.root.Rename(partial, blob)
}

// matches says whether the file's content, after what content has already seen, has
// the hash.
func matches(f *os.File, content hash.Hash, want string) (bool, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	if _, err := io.Copy(content, f); err != nil {
		return false, err
	}
	return hex.EncodeToString(content.Sum(nil)) == want, nil
}

// complete appends to out until it has size bytes; old is how many it had before.
func (s *snapshot) complete(ctx context.Context, out *os.File, name string, size int64) (old int64, err error) {
	info, err := out.Stat()
	if err != nil {
		return 0, err
	}
	if old = info.Size(); old > size {
		old = 0
		if err := out.Truncate(0); err != nil {
			return 0, err
		}
	}
	furthest := old
	err = s.client.retry(ctx, func() (advanced bool, err error) {
		have, err := s.client.appendRest(ctx, out, s.fileURL(name), size, func(done int64) {
			if s.client.Progress != nil {
				s.client.Progress(name, done, size)
			}
		})
		if advanced = have >= furthest+advanceBytes; advanced {
			furthest = have
		}
		return advanced, err
	})
	return old, err
}

// appendRest asks once for what out lacks of size bytes and appends it. have is how
// many bytes out has afterwards.
func (c *Client) appendRest(ctx context.Context, out *os.File, address string, size int64, progress func(done int64)) (have int64, err error) {
	if have, err = out.Seek(0, io.SeekEnd); err != nil || have == size {
		return have, err
	}
	ctx, seen, stop := watch(ctx, stallAfter)
	defer stop()
	header := http.Header{}
	if have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	answer, err := c.get(ctx, address, header)
	if err != nil {
		return have, err
	}
	defer answer.Body.Close()
	if have > 0 && !continues(answer, have) { // the whole file again
		have = 0
		if err := out.Truncate(0); err != nil {
			return have, err
		}
		if _, err := out.Seek(0, io.SeekStart); err != nil {
			return have, err
		}
		if answer.StatusCode != http.StatusOK {
			return have, &temporary{err: errors.New("the answer is not the range asked for")}
		}
	}
	buffer := make([]byte, min(copyBytes, size-have+1))
	for {
		n, readErr := answer.Body.Read(buffer)
		if have += int64(n); have > size {
			return 0, errors.Join(fmt.Errorf("%w: more than the listed %d bytes", ErrHash, size), out.Truncate(0))
		}
		if n > 0 {
			seen()
			if _, err := out.Write(buffer[:n]); err != nil {
				return have, err
			}
			progress(have)
		}
		switch {
		case readErr == io.EOF && have == size:
			return have, nil
		case readErr == io.EOF:
			return have, &temporary{err: fmt.Errorf("only %d of %d bytes came", have, size)}
		case readErr != nil:
			return have, transport(ctx, readErr)
		}
	}
}

// continues says whether the answer is the rest of a file from the offset on.
func continues(answer *http.Response, offset int64) bool {
	return answer.StatusCode == http.StatusPartialContent &&
		strings.HasPrefix(answer.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset))
}
