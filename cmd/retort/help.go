package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"retort/engine"
)

// commandList is the page of the program itself.
func commandList() string {
	var w strings.Builder
	fmt.Fprint(&w, `retort distils the reasoning of a large language model into a small student.

Usage: retort <command> [--config run.yaml] [--key value ...]

`)
	for _, c := range commands() {
		fmt.Fprintf(&w, "  %-14s %s\n", c.name, c.summary)
	}
	fmt.Fprint(&w, `
retort --version says what was built. retort <command> --help shows a command's keys with their defaults, and an example.
`+exitStatus)
	return w.String()
}

const exitStatus = "Exit codes: 0 done, 1 failed, 2 usage, 3 bad input, 4 non-finite numbers, 5 device, 6 teacher or cost cap, 130 stopped and saved.\n"

// help prints a command's page, laid out like a manual's.
func (c *cli) help(set *pflag.FlagSet) {
	w := c.stdout
	fmt.Fprintf(w, "NAME\n    retort %s - %s\n\nSYNOPSIS\n    retort %s [--config run.yaml] [--key value ...]\n\nOPTIONS\n",
		c.command.name, c.command.summary, c.command.name)
	fmt.Fprint(w, "    As flags, or without the dashes in the file of --config; _ and - are the same.\n\n")
	set.VisitAll(func(f *pflag.Flag) {
		kind := f.Value.Type()
		if kind == "stringArray" {
			kind = "string, repeatable"
		}
		fmt.Fprintf(w, "    --%s %s%s\n        %s\n", f.Name, kind, defaultOf(f), f.Usage)
	})
	fmt.Fprintf(w, "\nEXAMPLE\n    %s\n\nEXIT STATUS\n    %s", strings.ReplaceAll(c.command.example, "\n", "\n    "), exitStatus)
}

func defaultOf(f *pflag.Flag) string {
	if slices.Contains([]string{"", "[]", "false"}, f.DefValue) {
		return ""
	}
	return " (" + f.DefValue + ")"
}

// completeKeys is the argument with which a completion script asks for a command's keys.
const completeKeys = "--complete-keys"

var completionCommand = command{
	name:    "completion",
	summary: "a completion script for bash, zsh or fish",
	example: `retort completion --shell bash > ~/.local/share/bash-completion/completions/retort`,
	run: func(_ context.Context, c *cli, args []string) error {
		o := struct {
			Shell string `key:"shell" help:"bash, zsh or fish"`
		}{"bash"}
		if err := c.parse(args, &o); err != nil {
			return err
		}
		script, ok := completionScripts[o.Shell]
		if !ok {
			return fmt.Errorf("%w: shell must be bash, zsh or fish", engine.ErrUsage)
		}
		var names []string
		for _, cmd := range c.siblings {
			names = append(names, cmd.name)
		}
		_, err := fmt.Fprintf(c.stdout, script, strings.Join(names, " "))
		return err
	},
}

// completionScripts complete the command's name, then its keys, which the program lists
// itself, then file names.
var completionScripts = map[string]string{
	"bash": `_retort() {
	local word=${COMP_WORDS[COMP_CWORD]}
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "%s" -- "$word"))
	elif [[ $word == -* ]]; then
		COMPREPLY=($(compgen -W "$(retort "${COMP_WORDS[1]}" ` + completeKeys + ` 2>/dev/null)" -- "$word"))
	else
		COMPREPLY=($(compgen -f -- "$word"))
	fi
}
complete -o filenames -F _retort retort
`,
	"zsh": `#compdef retort
_retort() {
	if (( CURRENT == 2 )); then
		compadd -- %s
	elif [[ $words[CURRENT] == -* ]]; then
		compadd -- $(retort $words[2] ` + completeKeys + ` 2>/dev/null)
	else
		_files
	fi
}
compdef _retort retort
`,
	"fish": `complete -c retort -n __fish_use_subcommand -f -a "%s"
complete -c retort -n "not __fish_use_subcommand; and string match -q -- '-*' (commandline -ct)" -f -a "(retort (commandline -opc)[2] ` + completeKeys + ` 2>/dev/null)"
`,
}
