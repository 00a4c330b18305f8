// Command retort distils the reasoning of a large language model into a small student on
// the user's own hardware. This package is flags, configuration files, progress and
// output; what the commands do is in package engine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"retort/cmd/retort/keys"
	"retort/engine"
)

// command is one subcommand.
type command struct {
	name    string
	summary string // one line for the list of commands
	example string
	run     func(ctx context.Context, c *cli, args []string) error
	// graceful commands end by themselves, and save, when their context does; others are
	// left at once on a signal.
	graceful bool
}

// commands lists the subcommands in the order of the help.
func commands() []command {
	return []command{
		demoCommand, doctorCommand, collectCommand, checkCommand, trainCommand, evalCommand, generateCommand, scoreCommand, convertCommand, tokenizeCommand, generateDataCommand, benchCommand, completionCommand,
	}
}

// exitCode is the status that an error ends the process with; docs/cli.md lists them.
func exitCode(err error) int {
	for _, e := range []struct {
		err  error
		code int
	}{
		{nil, 0}, {engine.ErrInterrupted, 130}, {engine.ErrUsage, 2}, {engine.ErrBadInput, 3},
		{engine.ErrNonFinite, 4}, {engine.ErrDevice, 5}, {engine.ErrTeacher, 6},
	} {
		if errors.Is(err, e.err) {
			return e.code
		}
	}
	return 1
}

func main() {
	os.Exit(run(os.Args[1:]))
}

// run carries out one command line and returns the exit code.
func run(args []string) int {
	if len(args) > 0 && (args[0] == "version" || args[0] == "--version") {
		return show(version())
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		if len(args) > 1 {
			return run(append([]string{args[1], "--help"}, args[2:]...))
		}
		if code := show(commandList()); len(args) > 0 || code != 0 {
			return code
		}
		return 2
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return runCommand(c, args[1:])
		}
	}
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	report(os.Stderr, args, "retort", fmt.Errorf("unknown command %q%s; `retort help` lists them", args[0], keys.DidYouMean(args[0], names)), 2)
	return 2
}

// show prints a page of the program itself and returns the exit code.
func show(page string) int {
	if _, err := fmt.Print(page); err != nil {
		report(os.Stderr, nil, "retort", fmt.Errorf("standard output: %w", err), 1)
		return 1
	}
	return 0
}

// report writes the one line with which a command fails: with --json an object.
func report(w io.Writer, args []string, who string, err error, code int) {
	if !wantsJSON(args) {
		fmt.Fprintf(w, "%s: %v\n", who, err)
		return
	}
	writeJSONLine(w, struct {
		Error string `json:"error"`
		Code  int    `json:"code"`
	}{err.Error(), code})
}

// wantsJSON finds --json among arguments that may not all be valid.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		name, value, given := strings.Cut(arg, "=")
		if name != "--json" {
			continue
		}
		if !given && i+1 < len(args) {
			value = args[i+1]
		}
		wanted, ok := keys.ParseBool(value)
		return wanted || !ok
	}
	return false
}

// writeJSONLine writes one value on one line.
func writeJSONLine(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // standard error is where this would be told
}

func runCommand(c command, args []string) int {
	cl := &cli{command: c, siblings: commands(), stdout: &output{File: os.Stdout}, stderr: os.Stderr}
	cl.common.JSON = wantsJSON(args)
	ctx, stop := interruptible(c.graceful, cl.common.JSON)
	defer stop()
	err := c.run(ctx, cl, args)
	if errors.Is(err, errHelp) {
		err = nil
	}
	if err == nil && cl.stdout.err != nil {
		err = fmt.Errorf("standard output: %w", cl.stdout.err)
	}
	if err == nil {
		return 0
	}
	cl.endProgress()
	if cl.common.JSON { // also from a file of --config
		args = []string{"--json"}
	}
	report(os.Stderr, args, "retort "+c.name, err, exitCode(err))
	return exitCode(err)
}

// interruptible returns a context that the first SIGINT or SIGTERM ends, so that a graceful
// command can finish the step in hand and save. A second one, or the first for the others,
// leaves at once: checkpoints and files appear whole or not at all, so nothing is harmed.
func interruptible(graceful, asJSON bool) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-signals; !ok {
			return
		}
		if graceful {
			line := "finishing what is under way and saving; once more to leave at once"
			if asJSON {
				writeJSONLine(os.Stderr, map[string]string{"note": line})
			} else {
				fmt.Fprintln(os.Stderr, "\nretort: "+line)
			}
			cancel()
			if _, ok := <-signals; !ok {
				return
			}
		}
		partial.Lock() // for good
		if partial.name != "" {
			os.Remove(partial.name)
		}
		os.Exit(130)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}
