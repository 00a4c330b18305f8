package chat

import "strings"

// keepInlineSpace makes gonja treat white space between two tags of one line as Jinja does. Both remove the white
// space between the start of a line and a block (lstrip_blocks), but gonja also that between a tag and a block behind
// it: "{{ a }} {% if b %}" would lose the space. Such a block is marked {%+, which exempts it; comments likewise.
func keepInlineSpace(source string) string {
	var out strings.Builder
	text := 0 // where the text behind the last tag begins
	for at := 0; ; {
		open := strings.IndexByte(source[at:], '{')
		if open < 0 || at+open+1 >= len(source) {
			break
		}
		at += open
		kind := source[at+1]
		if kind != '{' && kind != '%' && kind != '#' {
			at++
			continue
		}
		gap := source[text:at]
		stop := tagEnd(source, at, kind)
		out.WriteString(gap)
		out.WriteString(source[at : at+2])
		if signed := at+2 < stop && strings.IndexByte("+-", source[at+2]) >= 0; kind != '{' && !signed &&
			text > 0 && gap != "" && strings.Trim(gap, " \t") == "" {
			out.WriteByte('+')
		}
		out.WriteString(source[at+2 : stop])
		at, text = stop, stop
	}
	out.WriteString(source[text:])
	return out.String()
}

// tagEnd returns where the tag that begins at ends, or the source if it does not. A raw block is one tag, for what it
// holds is text.
func tagEnd(source string, at int, kind byte) int {
	if kind == '#' {
		return after(source, at+2, "#}")
	}
	closing := "%}"
	if kind == '{' {
		closing = "}}"
	}
	quote := byte(0)
	for i := at + 2; i < len(source); i++ {
		switch c := source[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case strings.HasPrefix(source[i:], closing):
			if kind == '%' && strings.Trim(source[at+2:i], "+- \t\r\n") == "raw" {
				return rawEnd(source, i+2)
			}
			return i + 2
		}
	}
	return len(source)
}

// rawEnd returns where the endraw block behind at ends.
func rawEnd(source string, at int) int {
	for at < len(source) {
		open := after(source, at, "{%")
		end := after(source, open, "%}")
		if strings.Trim(source[open:max(open, end-2)], "+- \t\r\n") == "endraw" {
			return end
		}
		at = open
	}
	return len(source)
}

// after returns where mark ends, the first at or behind at; the end of the source if there is none.
func after(source string, at int, mark string) int {
	if i := strings.Index(source[at:], mark); i >= 0 {
		return at + i + len(mark)
	}
	return len(source)
}
