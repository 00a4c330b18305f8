package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// version says which source, compiler and options made this program. All of it was put in
// by the compiler, so that equal sources still make equal programs.
func version() string {
	source, cuda := "of an unknown source", "without CUDA"
	if info, ok := debug.ReadBuildInfo(); ok {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		source = cmp.Or(info.Main.Version, "(devel)")
		if revision := settings["vcs.revision"]; revision != "" {
			source += ", revision " + revision
			if settings["vcs.modified"] == "true" {
				source += " with changes"
			}
		}
		if slices.Contains(strings.Split(settings["-tags"], ","), "cuda") {
			cuda = "with CUDA"
		}
	}
	return fmt.Sprintf("retort %s\n%s, %s/%s, %s\n", source, runtime.Version(), runtime.GOOS, runtime.GOARCH, cuda)
}
