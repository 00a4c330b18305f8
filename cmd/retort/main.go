// Command retort distils the reasoning of a large language model into a small student on
// the user's own hardware. This package is flags, configuration files, progress and
// output; what the commands do is in package engine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

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
		demoCommand, doctorCommand, trainCommand, evalCommand, generateCommand, scoreCommand, tokenizeCommand, generateDataCommand, checkCommand, benchCommand, completionCommand,
	}
}

// exitCode is the status that an error ends the process with; docs/cli.md lists them.
func exitCode(err error) int {
	for _, e := range []struct {
		err  error
		code int
	}{
		{nil, 0}, {engine.ErrInterrupted, 130}, {engine.ErrUsage, 2}, {engine.ErrBadInput, 3},
		{engine.ErrNonFinite, 4}, {engine.ErrDevice, 5},
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
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		if len(args) > 1 {
			return run(append([]string{args[1], "--help"}, args[2:]...))
		}
		printCommands(os.Stdout)
		if len(args) == 0 {
			return 2
		}
		return 0
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
	fmt.Fprintf(os.Stderr, "retort: unknown command %q%s; `retort help` lists them\n", args[0], didYouMean(args[0], names))
	return 2
}

func runCommand(c command, args []string) int {
	ctx, stop := interruptible(c.graceful)
	defer stop()
	cl := &cli{command: c, siblings: commands(), stdout: os.Stdout, stderr: os.Stderr}
	err := c.run(ctx, cl, args)
	if errors.Is(err, errHelp) {
		return 0
	}
	if err != nil {
		cl.endProgress()
		fmt.Fprintf(os.Stderr, "retort %s: %v\n", c.name, err)
	}
	return exitCode(err)
}

// interruptible returns a context that the first SIGINT or SIGTERM ends, so that a graceful
// command can finish the step in hand and save. A second one, or the first for the others,
// leaves at once: checkpoints and files appear whole or not at all, so nothing is harmed.
func interruptible(graceful bool) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-signals; !ok {
			return
		}
		if graceful {
			fmt.Fprintln(os.Stderr, "\nretort: finishing the step and saving; once more to leave at once")
			cancel()
			if _, ok := <-signals; !ok {
				return
			}
		}
		if name := partial.Load(); name != nil {
			os.Remove(*name)
		}
		os.Exit(130)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}
