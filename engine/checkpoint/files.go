package checkpoint

import (
	"fmt"
	"path/filepath"
	"slices"
)

// WriteFiles makes files appear in dir together: whoever finds the one called last finds
// all of them, of this call and no other, also after a crash or a power cut. dir may hold
// other files. obsolete are names that an earlier set may have had and this one has not.
//
// All of them are written and made durable in a folder beside their final names, which is
// where a full disk shows; until then nothing in dir has changed. Then the earlier last is
// removed, the others are moved into place, and last comes last. A reader in between finds
// no file called last.
func WriteFiles(dir string, files map[string]FileWriter, last string, obsolete ...string) error {
	return disk.writeFiles(dir, files, last, obsolete)
}

func (s store) writeFiles(dir string, files map[string]FileWriter, last string, obsolete []string) error {
	names, err := checkNames(files)
	if err != nil {
		return fmt.Errorf("write files of %s: %w", dir, err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == last })
	if len(names) == len(files) {
		return fmt.Errorf("write files of %s: %s is not among them", dir, last)
	}
	names = append(names, last)
	tmp := filepath.Join(dir, tmpPrefix+last)
	if err := s.stage(tmp, names, files); err != nil {
		_ = s.fs.removeAll(tmp) // a leftover is removed by Clean
		return fmt.Errorf("write files of %s: %w", dir, err)
	}
	if err := s.publish(dir, tmp, names, obsolete); err != nil {
		return fmt.Errorf("write files of %s: those that have not appeared there are whole in %s: %w", dir, tmp, err)
	}
	return s.do("remove", tmp, s.fs.removeAll(tmp))
}

// stage makes the files durable in the new folder tmp.
func (s store) stage(tmp string, names []string, files map[string]FileWriter) error {
	if err := s.do("remove", tmp, s.fs.removeAll(tmp)); err != nil {
		return err
	}
	if err := s.do("mkdir", tmp, s.fs.mkdir(tmp)); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := s.writeDurably(filepath.Join(tmp, name), files[name]); err != nil {
			return err
		}
	}
	return s.do("fsync", tmp, s.fs.syncDir(tmp))
}

// publish moves the files of tmp to dir, the last of the names after all others.
func (s store) publish(dir, tmp string, names, obsolete []string) error {
	present, err := s.fs.list(dir)
	if err != nil {
		return s.do("list", dir, err)
	}
	others, last := names[:len(names)-1], names[len(names)-1]
	gone := []string{last}
	for _, name := range obsolete {
		if !slices.Contains(names, name) {
			gone = append(gone, name)
		}
	}
	for _, name := range gone { // last first
		if !slices.Contains(present, name) {
			continue
		}
		path := filepath.Join(dir, name)
		if err := s.do("remove", path, s.fs.remove(path)); err != nil {
			return err
		}
		if err := s.do("fsync", dir, s.fs.syncDir(dir)); err != nil {
			return err
		}
	}
	for _, group := range [][]string{others, {last}} {
		for _, name := range group {
			if err := s.do("rename", filepath.Join(tmp, name), s.fs.rename(filepath.Join(tmp, name), filepath.Join(dir, name))); err != nil {
				return err
			}
		}
		if err := s.do("fsync", dir, s.fs.syncDir(dir)); err != nil {
			return err
		}
	}
	return nil
}
