package main

import (
	"testing"

	"github.com/spf13/pflag"

	"retort/engine"
)

// FuzzConfigFile holds configuration files to: no panic, whatever they contain.
func FuzzConfigFile(f *testing.F) {
	for _, s := range []string{
		"max_steps: 3\nlearning_rate: 1e-4\npacking: true\n", "a: b", "- 1\n- 2", "max_steps: [1, 2]", "dataset: ${HOME}", "max_steps: &a 1\nseed: *a\n", "", "{", "max_steps: !!binary aGk=",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, raw []byte) {
		set := pflag.NewFlagSet("train", pflag.ContinueOnError)
		o := engine.DefaultTrainOptions()
		bind(set, &o)
		_ = applyYAML(set, "run.yaml", raw)
	})
}
