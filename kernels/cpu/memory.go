package cpu

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Available is what the system can give without swapping: MemAvailable of Linux.
func (b *Backend) Available() (bytes int64, known bool) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemAvailable:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// Peak is the largest resident set of the process so far, from Linux's
// /proc/self/status; elsewhere what the Go runtime has taken from the system.
func (b *Backend) Peak() int64 {
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
