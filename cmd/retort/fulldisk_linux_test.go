package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/engine/checkpoint"
)

const (
	// inNamespace tells the test's second process that it has mounts of its own.
	inNamespace = "RETORT_TEST_IN_NAMESPACE"
	// noMounts is the exit code of that process where mounting is not permitted.
	noMounts = 77
)

// TestFullDiskCostsNoFinishedWork runs itself again in a mount namespace of its own, there
// mounts a small tmpfs, and works on it until it is full. Nobody else sees that mount.
func TestFullDiskCostsNoFinishedWork(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		onSmallDisk(t)
		return
	}
	if testing.Short() {
		t.Skip("some twenty processes")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	id := func(inside, outside int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: inside, HostID: outside, Size: 1}}
	}
	for _, as := range []*syscall.SysProcAttr{
		{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: id(0, os.Getuid()), GidMappings: id(0, os.Getgid())},
		{Cloneflags: syscall.CLONE_NEWNS}, // as root where there are no user namespaces
	} {
		cmd := exec.Command(self, "-test.run", "^TestFullDiskCostsNoFinishedWork$", "-test.v")
		cmd.Env, cmd.SysProcAttr = append(os.Environ(), inNamespace+"=1"), as
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case err == nil:
			return
		case errors.As(err, &exit) && exit.ExitCode() != noMounts:
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("no mounts of our own: %v", err)
	}
	t.Skip("a disk that is really full needs a mount, and mounting is not permitted here")
}

// smallDisk mounts a tmpfs of that many bytes.
func smallDisk(t *testing.T, bytes int64) string {
	dir := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(dir, 0o700))
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	}
	if err != nil {
		fmt.Println("mount:", err)
		os.Exit(noMounts)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) }) // the namespace ends with the process
	return dir
}

// folderBytes is what the files below dir take.
func folderBytes(t *testing.T, dir string) (total int64) {
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += (info.Size() + 4095) &^ 4095
		return err
	}))
	return total
}

// fill leaves that many bytes of the disk free and returns how to free the others again.
func fill(t *testing.T, disk string, room int64) (free func()) {
	var stat syscall.Statfs_t
	require.NoError(t, syscall.Statfs(disk, &stat))
	filler := filepath.Join(disk, "filler")
	taken := int64(stat.Bavail)*stat.Bsize - room
	require.Positive(t, taken)
	require.NoError(t, os.WriteFile(filler, make([]byte, taken), 0o600))
	return func() { require.NoError(t, os.Remove(filler)) }
}

// fails runs a command that the disk has no room for: it says so in one line and ends with 1.
func fails(t *testing.T, args ...string) {
	t.Helper()
	out, err := program(t, args...).CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, string(out))
	require.Equal(t, 1, exit.ExitCode(), string(out))
	require.Contains(t, string(out), "no space left on device")
	require.Equal(t, 1, strings.Count(string(out), "\n"), string(out))
}

func succeeds(t *testing.T, args ...string) {
	t.Helper()
	out, err := program(t, args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// onSmallDisk is the test itself, in a process with mounts of its own.
func onSmallDisk(t *testing.T) {
	const steps = 3
	disk := smallDisk(t, 64<<20)
	model, rows := tinyFolder(t), manyRows(t)
	straight := filepath.Join(disk, "straight")
	succeeds(t, longRun(model, rows, straight, steps)...)
	want := stateHash(t, straight, steps)
	whole := folderBytes(t, checkpoint.Dir(straight, steps))
	require.NoError(t, os.RemoveAll(straight))

	// Where the disk is full from the start, in the first checkpoint's files, in later ones', in
	// the student's.
	for i, room := range []int64{0, 8 << 10, whole / 2, whole + whole/2, 2*whole + 64<<10, 2*whole + whole/4} {
		t.Run(fmt.Sprint("room ", room), func(t *testing.T) {
			out := filepath.Join(disk, fmt.Sprint("run", i))
			free := fill(t, disk, room)
			fails(t, longRun(model, rows, out, steps)...)
			found, err := checkpoint.Steps(out)
			require.NoError(t, err)
			require.Equal(t, min(room/whole, 2), min(int64(len(found)), 2), "checkpoints that there was room for: %v", found)
			for _, step := range found {
				_, err := checkpoint.Verify(checkpoint.Dir(out, step))
				require.NoError(t, err)
			}
			_, err = os.Stat(filepath.Join(out, "config.json"))
			require.ErrorIs(t, err, os.ErrNotExist, "half a student")
			free()
			succeeds(t, longRun(model, rows, out, steps)...)
			require.Equal(t, want, stateHash(t, out, steps), "goes on to the same end")
			succeeds(t, "score", "--model_name_or_path", out, "--dataset", rows)
			require.NoError(t, os.RemoveAll(out))
		})
	}
	t.Run("an earlier student stays", func(t *testing.T) {
		out := filepath.Join(disk, "run")
		again := []string{"train", "--model_name_or_path", model, "--dataset", rows, "--output_dir", out, "--max_steps", "1", "--quiet", "--overwrite_output_dir"}
		succeeds(t, again...)
		before, err := os.ReadFile(filepath.Join(out, "model.safetensors"))
		require.NoError(t, err)
		free := fill(t, disk, 64<<10)
		fails(t, append(again, "--seed", "7")...)
		after, err := os.ReadFile(filepath.Join(out, "model.safetensors"))
		require.NoError(t, err)
		require.Equal(t, before, after)
		succeeds(t, "score", "--model_name_or_path", out, "--dataset", rows)
		free()
		succeeds(t, append(again, "--seed", "7")...)
	})
	t.Run("rows of a command", func(t *testing.T) {
		free := fill(t, disk, 64<<10)
		defer free()
		output := filepath.Join(disk, "problems.jsonl")
		fails(t, "generate-data", "--rows", "10000", "--output", output)
		left, err := filepath.Glob(filepath.Join(disk, "*problems*"))
		require.NoError(t, err)
		require.Empty(t, left)
	})
}
