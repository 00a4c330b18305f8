package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"retort/cmd/retort/keys"
	"retort/engine"
)

// errHelp says that help was asked for and printed.
var errHelp = errors.New("help")

// common are the keys of every command.
type common struct {
	Config string `key:"config" help:"YAML file with any of these keys; flags override it, ${NAME} is taken from the environment"`
	Device string `key:"device" help:"auto, cpu, cuda or emu"`
	BF16   *bool  `key:"bf16" help:"bf16 weights and activations, float32 sums and masters; true on a GPU unless said otherwise"`
	JSON   bool   `key:"json" help:"machine-readable output on standard output"`
	Quiet  bool   `key:"quiet" help:"no progress and no notes"`
}

// parse reads flags and configuration file into the fields of the given structs: pointers
// to structs whose tags `key` and `help` describe each field; the values they hold are the
// defaults. Positional arguments are an error.
func (c *cli) parse(args []string, into ...any) error {
	set := pflag.NewFlagSet(c.command.name, pflag.ContinueOnError)
	set.SortFlags = false
	set.Usage = func() {}
	set.SetOutput(discard{})
	set.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "-", "_"))
	})
	if c.common.Device == "" {
		c.common.Device = "auto"
	}
	for _, s := range append(into, &c.common) {
		keys.Bind(set, s)
	}
	if len(args) == 1 && args[0] == completeKeys {
		for _, key := range keys.Names(set) {
			fmt.Fprintln(c.stdout, "--"+key)
		}
		return errHelp
	}
	err := set.Parse(joinBooleans(set, args))
	if err == nil && set.NArg() > 0 {
		err = strayArgument(set, args)
	}
	switch {
	case errors.Is(err, pflag.ErrHelp):
		c.help(set)
		return errHelp
	case err != nil:
		return usageError(set, err)
	}
	if c.common.Config == "" {
		return nil
	}
	return applyConfig(set, c.common.Config)
}

type discard struct{}

// Write drops the text: errors are printed by main, once.
func (discard) Write(p []byte) (int, error) { return len(p), nil }

// joinBooleans turns "--packing false" into "--packing=false": pflag would take the value
// of a boolean for an argument of its own.
func joinBooleans(set *pflag.FlagSet, args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, isFlag := strings.CutPrefix(arg, "--")
		if isFlag && i+1 < len(args) && !strings.Contains(name, "=") {
			if f := set.Lookup(name); f != nil && f.Value.Type() == "bool" {
				if _, ok := keys.ParseBool(args[i+1]); ok {
					arg += "=" + args[i+1]
					i++
				}
			}
		}
		out = append(out, arg)
	}
	return out
}

// usageError says which flag is wrong, with the nearest known one.
func usageError(set *pflag.FlagSet, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		f := invalid.GetFlag()
		return fmt.Errorf("%w: --%s: %w", engine.ErrUsage, f.Name, keys.WrongValue(f, invalid.GetValue()))
	}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			name, _, _ = strings.Cut(short, "=")
			return fmt.Errorf("%w: -%s: keys have two dashes: --%s%s", engine.ErrUsage, name, name, keys.DidYouMean(name, keys.Names(set)))
		}
		return fmt.Errorf("%w: unknown flag --%s%s", engine.ErrUsage, name, keys.DidYouMean(name, keys.Names(set)))
	}
	return fmt.Errorf("%w: %w", engine.ErrUsage, err)
}

// strayArgument says what is wrong with the first argument that belongs to no key.
func strayArgument(set *pflag.FlagSet, args []string) error {
	stray := set.Arg(0)
	for i, arg := range args[:len(args)-1] {
		name, isFlag := strings.CutPrefix(arg, "--")
		if f := set.Lookup(name); isFlag && args[i+1] == stray && f != nil && f.Value.Type() == "bool" {
			return fmt.Errorf("--%s: %w", f.Name, keys.WrongValue(f, stray))
		}
	}
	return fmt.Errorf("unexpected argument %q", stray)
}

// applyConfig sets every flag that the command line did not from a YAML file.
func applyConfig(set *pflag.FlagSet, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: config: %w", engine.ErrBadInput, err)
	}
	if err := keys.Apply(set, path, raw); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrBadInput, err)
	}
	return nil
}
