package tokenizer

import (
	"encoding/json"
	"fmt"
)

// component reads what every component has: an object with a type. absent is true for null.
func component(where string, raw json.RawMessage) (fields jsonObject, kind string, absent bool, err error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, "", true, nil
	}
	if fields, err = parseObject(where, raw); err != nil {
		return nil, "", false, err
	}
	return fields, kind, false, fields.read(where, "type", &kind)
}

// sequence calls build for each component of a Sequence.
func sequence(where string, fields jsonObject, key string, build func(where string, raw json.RawMessage, last bool) error) error {
	var parts []json.RawMessage
	if err := fields.read(where, key, &parts); err != nil {
		return err
	}
	for i, part := range parts {
		if err := build(fmt.Sprintf("%s.%s[%d]", where, key, i), part, i == len(parts)-1); err != nil {
			return err
		}
	}
	return nil
}

func unknownComponent(where, kind, known string) error {
	return fault(ErrUnknownComponent, "%s: type %q is none of %s", where, kind, known)
}

// buildNormalizer returns the normalizer that a tokenizer.json describes.
func buildNormalizer(where string, raw json.RawMessage) (normalizer, error) {
	fields, kind, none, err := component(where, raw)
	if err != nil || none {
		return unchanged, err
	}
	if n, ok := normalizers[kind]; ok {
		return n, nil
	}
	if kind != "Sequence" {
		return nil, unknownComponent(where, kind, "NFC, NFD, NFKC, NFKD, Lowercase, Sequence")
	}
	all := unchanged
	err = sequence(where, fields, "normalizers", func(where string, raw json.RawMessage, _ bool) error {
		then, err := buildNormalizer(where, raw)
		before := all
		all = func(text string) string { return then(before(text)) }
		return err
	})
	return all, err
}

// buildDecoder returns the decoder that a tokenizer.json describes.
func buildDecoder(where string, raw json.RawMessage) (decoder, error) {
	fields, kind, none, err := component(where, raw)
	if err != nil || none {
		return spaced, err
	}
	switch kind {
	case "ByteLevel":
		return byteLevel, nil
	case "Fuse":
		return joined, nil
	case "Sequence":
		all := joined
		err := sequence(where, fields, "decoders", func(where string, raw json.RawMessage, _ bool) error {
			d, err := buildDecoder(where, raw)
			if err == nil && d == byteLevel && all == byteLevel {
				err = fault(ErrUnknownComponent, "%s: a second ByteLevel", where)
			}
			all = max(all, d)
			return err
		})
		return all, err
	}
	return spaced, unknownComponent(where, kind, "ByteLevel, Fuse, Sequence")
}

// checkPostProcessor accepts the post-processors that only add special tokens or trim offsets: Encode does neither.
func checkPostProcessor(where string, raw json.RawMessage) error {
	fields, kind, none, err := component(where, raw)
	if err != nil || none {
		return err
	}
	switch kind {
	case "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing":
		return nil
	case "Sequence":
		return sequence(where, fields, "processors", func(where string, raw json.RawMessage, _ bool) error {
			return checkPostProcessor(where, raw)
		})
	}
	return unknownComponent(where, kind, "ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence")
}

// buildPreTokenizer returns the splitter that a tokenizer.json describes. With rawAllowed, a final ByteLevel is left
// to the model: raw then says that pieces are text whose bytes stand for their byte-level characters.
func buildPreTokenizer(description json.RawMessage, rawAllowed bool) (split splitter, raw bool, err error) {
	b := preTokenizerBuilder{rawAllowed: rawAllowed}
	split, err = b.build("pre_tokenizer", description, true)
	return split, b.raw, err
}

type preTokenizerBuilder struct{ rawAllowed, raw bool }

// build returns one component's splitter; last says that nothing comes after it.
func (b *preTokenizerBuilder) build(where string, raw json.RawMessage, last bool) (splitter, error) {
	fields, kind, none, err := component(where, raw)
	if err != nil || none {
		return whole, err
	}
	switch kind {
	case "Sequence":
		all := whole
		err := sequence(where, fields, "pretokenizers", func(where string, raw json.RawMessage, final bool) error {
			then, err := b.build(where, raw, last && final)
			all = both(all, then)
			return err
		})
		return all, err
	case "ByteLevel":
		prefixSpace, useRegex := false, true
		if err := fields.read(where, "add_prefix_space", &prefixSpace); err != nil {
			return nil, err
		}
		if err := fields.read(where, "use_regex", &useRegex); err != nil {
			return nil, err
		}
		if last && b.rawAllowed {
			b.raw = true
		}
		return splitByteLevel(prefixSpace, useRegex, !(last && b.rawAllowed)), nil
	case "Digits":
		individual := false
		err := fields.read(where, "individual_digits", &individual)
		return splitDigits(individual), err
	case "Whitespace":
		return splitWords, nil
	case "WhitespaceSplit":
		return splitWhitespace, nil
	case "Split":
		return buildSplit(where, fields)
	}
	return nil, unknownComponent(where, kind, "ByteLevel, Digits, Split, Whitespace, WhitespaceSplit, Sequence")
}

// buildSplit returns the splitter of a Split by a pattern.
func buildSplit(where string, fields jsonObject) (splitter, error) {
	var pattern struct{ Regex, String *string }
	var name string
	invert := false
	for key, to := range map[string]any{"pattern": &pattern, "behavior": &name, "invert": &invert} {
		if err := fields.read(where, key, to); err != nil {
			return nil, err
		}
	}
	how, ok := behaviours[name]
	if !ok {
		return nil, fault(ErrUnknownComponent, "%s: behavior %q is none of Isolated, Removed, MergedWithPrevious, MergedWithNext, Contiguous", where, name)
	}
	if pattern.String != nil {
		return splitPattern(literal(*pattern.String), how, invert), nil
	}
	if pattern.Regex == nil {
		return nil, fault(ErrPattern, "%s: pattern has neither Regex nor String", where)
	}
	if scan, ok := scanners[*pattern.Regex]; ok {
		if how == isolated || how == removed && invert {
			return splitScan(scan), nil
		}
		return splitPattern(scan.matches, how, invert), nil
	}
	expression, err := compile(*pattern.Regex)
	if err != nil {
		return nil, fault(ErrPattern, "%s: pattern %q: %v", where, *pattern.Regex, err)
	}
	return splitPattern(expression, how, invert), nil
}
