package engine

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// peakMemoryBytes is the largest resident set of the process so far, from Linux's
// /proc/self/status; elsewhere what the Go runtime has taken from the system.
func peakMemoryBytes() int64 {
	f, err := os.Open("/proc/self/status")
	if err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, found := strings.CutPrefix(lines.Text(), "VmHWM:"); found {
				kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
				if err == nil {
					return kib << 10
				}
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
