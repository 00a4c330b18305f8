package chat

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDangerousTemplatesAreRefused: none of these may take the process's memory or stack, or hang it.
func TestDangerousTemplatesAreRefused(t *testing.T) {
	deep := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	for name, c := range map[string]struct {
		source string
		kind   error
		says   string
	}{
		"macro that calls itself":       {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", ErrLimit, "macros call each other"},
		"macros that call each other":   {"{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ g() }}", ErrLimit, "macros call each other"},
		"macro in a swallowing test":    {"{% macro f() %}{{ f() is defined }}{% endmacro %}{{ f() is defined }}", ErrLimit, "macros call each other"},
		"macro by another name":         {"{% set ns = namespace() %}{% macro f() %}{{ ns.f() }}{% endmacro %}{% set ns.f = f %}{{ f() }}", ErrLimit, "macros call each other"},
		"macro as its own default":      {"{% macro f(x) %}{{ x(x) }}{% endmacro %}{{ f(f) }}", ErrLimit, "macros call each other"},
		"caller of itself":              {"{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}", ErrRender, ""},
		"endless recursive loop":        {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", ErrLimit, "deep"},
		"block that shows itself":       {"{% block a %}{{ self.a() }}{% endblock %}", ErrParse, "block"},
		"template that includes itself": {"{% include '/chat_template' %}", ErrParse, "include"},
		"template that extends itself":  {"{% extends '/chat_template' %}", ErrParse, "extends"},
		"nested ifs":                    {deep("{% if true %}", "a", "{% endif %}", 20_000), ErrLimit, "nested more than 100 deep"},
		"unclosed ifs":                  {strings.Repeat("{% if true %}", 20_000), ErrLimit, "nested more than 100 deep"},
		"nested sets":                   {deep("{% set x %}", "a", "{% endset %}", 20_000), ErrLimit, "nested more than 100 deep"},
		"nested brackets":               {"{{ " + deep("(", "1", ")", 100_000) + " }}", ErrLimit, "line 1"},
		"nested lists":                  {"\n{{ " + deep("[", "1", "]", 100_000) + " }}", ErrLimit, "line 2"},
		"long chain":                    {"{{ 1" + strings.Repeat(" + 1", 100_000) + " }}", ErrLimit, "line 1"},
		"chain of not":                  {"{{ " + strings.Repeat("not ", 100_000) + "1 }}", ErrLimit, "line 1"},
		"huge source":                   {strings.Repeat("a", maxSourceBytes+1), ErrLimit, "1048577 bytes"},
		"repeated text":                 {"{{ 'x' * 100000000000 }}", ErrLimit, "multiplies"},
		"repeated text by a variable":   {"{% set n = 100000 %}{{ 'x' * n }}", ErrLimit, "multiplies"},
		"repeated text by two numbers":  {"{{ 'x' * 999 * 999 * 999 }}", ErrLimit, "multiplies"},
		"doubled text":                  {"{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", ErrLimit, "makes a text"},
		"doubled list":                  {"{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}", ErrLimit, "makes a value of more than"},
		"text that multiplies":          {"{% set ns = namespace(s='xxxx') %}{% for i in range(100) %}{% set ns.s = ns.s | replace('x', ns.s) %}{% endfor %}", ErrLimit, "makes a text"},
		"text that multiplies itself":   {"{% set ns = namespace(s='xxxx') %}{% for i in range(100) %}{% set ns.s = ns.s.replace('x', ns.s) %}{% endfor %}", nil, ""},
		"joined texts":                  {"{% set s = ' ' | center(9999) %}{{ range(100000) | join(s) }}", ErrLimit, "makes a text"},
		"wide text":                     {"{{ 'x' | center(100000000000) }}", ErrRender, "beyond 9999"},
		"wide text of a method":         {"{{ 'x'.ljust(100000000000) }}", ErrRender, "beyond 9999"},
		"wide format":                   {"{{ '%100000000000d' | format(1) }}", ErrRender, "width"},
		"wide format of a method":       {"{{ '{:>100000000000}'.format(1) }}", ErrRender, "width"},
		"endless output":                {"{% for i in range(100000) %}{% for j in range(100000) %}" + strings.Repeat("a", 1000) + "{% endfor %}{% endfor %}", ErrLimit, "makes a text"},
		"endless loop without output":   {"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", ErrLimit, "renders for more than"},
		"value that holds itself":       {"{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", ErrLimit, "makes a value"},
		"list that holds its holder":    {"{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns == ns.x }}", ErrLimit, "makes a value"},
		"message that holds the rest":   {"{% set messages[0].content = messages %}{{ messages }}", ErrLimit, "makes a value"},
		"doubled nesting":               {"{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}", ErrLimit, "makes a value"},
		"doubled nesting by a macro":    {"{% macro f(x, n) %}{% if n %}{{ f([x, x], n - 1) }}{% endif %}{{ x }}{% endmacro %}{{ f(1, 90) }}", ErrLimit, "makes a value"},
		"doubled nesting by loops":      {deep("{% for x in [[x, x]] %}", "{{ x }}", "{% endfor %}", 90), ErrLimit, "makes a value"},
		"doubled nesting by with":       {deep("{% with x=[x, x] %}", "{{ x }}", "{% endwith %}", 90), ErrLimit, "makes a value"},
		"deep nesting":                  {"{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}", ErrLimit, "deep"},
		"list that grows in place":      {"{% set l = [1] %}{% do l.append(l) %}", ErrRender, ""},
		"lorem ipsum":                   {"{{ lipsum(1000000000) }}", ErrRender, ""},
	} {
		t.Run(name, func(t *testing.T) {
			template, err := Parse(c.source, nil)
			if err == nil {
				template.patience = time.Minute
				if strings.Contains(c.says, "renders for") {
					template.patience = time.Second / 10
				}
				_, err = template.Render([]Message{{Role: "user", Content: "a"}}, false)
			}
			require.Error(t, err)
			if c.kind != nil {
				require.ErrorIs(t, err, c.kind)
			}
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 400)
		})
	}
}

// TestRecursionAndProductsOfPublishedTemplatesRender: schemas of tools are written by macros that call themselves.
func TestRecursionAndProductsOfPublishedTemplatesRender(t *testing.T) {
	for source, want := range map[string]string{
		"{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(20) }}": "20191817161514131211109876543210",
		"{% set indent = 2 %}{{ '-' * 20 }}{{ 3 * indent }}{{ 2 ** 3 }}":                          strings.Repeat("-", 20) + "68.0",
		"{% macro f(*args, **kwargs) %}{{ args | length }}{% endmacro %}{{ f(1, 2, 3) }}":         "3",
		"{{ '2 * x * y' }}": "2 * x * y",
		"{% with a=1, b=[2] %}{{ a }}{{ b[0] }}{% endwith %}{{ a is defined }}":                                                                   "12False",
		"{% for x in range(3) %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}{% for x in range(9) %}{{ x }}{% break %}{% endfor %}": "020",
	} {
		template, err := Parse(source, nil)
		require.NoError(t, err, source)
		text, err := template.Render(nil, false)
		require.NoError(t, err, source)
		require.Equal(t, want, text, source)
	}
}

func TestLongConversationsRender(t *testing.T) {
	template, err := Parse(chatML, nil)
	require.NoError(t, err)
	content := strings.Repeat("word ", 2<<20)
	text, err := template.Render([]Message{{Role: "user", Content: content}}, false)
	require.NoError(t, err)
	require.Equal(t, "<|user|>"+content+"\n", text)
}
