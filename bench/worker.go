package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"retort/engine"
	"retort/kernels/cpu"
)

// Worker runs our side of one measurement and prints its result as one JSON line.
func Worker(spec string, to io.Writer) error {
	kind, rest, _ := strings.Cut(spec, ":")
	var result any
	var err error
	switch kind {
	case "step":
		result, err = stepWorker(rest)
	case "profile":
		result, err = profileWorker(rest, stepRows, stepCount+1)
	case "variants":
		result, err = variantWorker(rest)
	case "decode":
		result, err = decodeWorker(rest)
	case "tokenize":
		result, err = tokenizeWorker(rest)
	case "load":
		result, err = loadWorker(rest)
	default:
		err = fmt.Errorf("bench: no worker %q", spec)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(result)
}

// loadWorker times `retort help` as a process, and the loading of a student in this one.
func loadWorker(path string) (loadResult, error) {
	self, err := os.Executable()
	if err != nil {
		return loadResult{}, err
	}
	var times []float64
	for range 5 {
		began := time.Now()
		if err := exec.Command(self, "help").Run(); err != nil {
			return loadResult{}, err
		}
		times = append(times, time.Since(began).Seconds())
	}
	r := loadResult{HelpSeconds: median(times)}
	if path == "" {
		return r, nil
	}
	k, err := cpu.New(0)
	if err != nil {
		return r, err
	}
	defer k.Close()
	began := time.Now()
	s, err := engine.OpenStudent(k, path)
	if err != nil {
		return r, err
	}
	defer s.Close()
	r.LoadSeconds = time.Since(began).Seconds()
	return r, nil
}
