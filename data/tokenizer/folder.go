package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
)

const (
	tokenizerFile = "tokenizer.json"
	configFile    = "tokenizer_config.json"
	specialsFile  = "special_tokens_map.json"
	templateFile  = "chat_template.jinja"
)

// folderFiles are the files that make up the text side of a student's folder, those that there are.
var folderFiles = []string{tokenizerFile, configFile, specialsFile, templateFile, "added_tokens.json", "vocab.json", "merges.txt"}

// FileNames are all names that the text side of a student's folder may have files under.
func FileNames() []string { return slices.Clone(folderFiles) }

// Folder is the text side of a student's folder.
type Folder struct {
	Tokenizer     *Tokenizer
	ChatTemplate  string            // the template's source, "" when there is none
	BOS, EOS, PAD string            // the special tokens' content, "" when there is none
	Files         map[string][]byte // by name: what a saved student's folder needs for its text side
}

// OpenFolder reads the tokenizer, the names of its special tokens and the chat template of a student's folder.
func OpenFolder(dir string) (*Folder, error) {
	f := &Folder{Files: map[string][]byte{}}
	for _, name := range folderFiles {
		data, err := readFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) && name != tokenizerFile {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("tokenizer folder: %w", err)
		}
		f.Files[name] = data
	}
	var err error
	if f.Tokenizer, err = FromJSON(filepath.Join(dir, tokenizerFile), f.Files[tokenizerFile]); err != nil {
		return nil, err
	}
	if err := f.readConfig(); err != nil {
		return nil, fmt.Errorf("tokenizer folder %s: %w", dir, err)
	}
	return f, nil
}

// readConfig reads special tokens and the chat template: tokenizer_config.json, for the tokens
// special_tokens_map.json where it is silent, for the template chat_template.jinja first.
func (f *Folder) readConfig() error {
	for _, name := range []string{configFile, specialsFile} {
		data, ok := f.Files[name]
		if !ok {
			continue
		}
		fields, err := parseObject(name, data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for key, to := range map[string]*string{"bos_token": &f.BOS, "eos_token": &f.EOS, "pad_token": &f.PAD} {
			if *to != "" || !fields.has(key) {
				continue
			}
			if *to, err = tokenContent(fields[key]); err != nil {
				return fault(ErrFolder, "%s: %s: %v", name, key, err)
			}
			if _, known := f.Tokenizer.ID(*to); !known && *to != "" {
				return fault(ErrFolder, "%s: %s %q is not a token of %s", name, key, *to, tokenizerFile)
			}
		}
		if name == configFile && fields.has("chat_template") {
			if f.ChatTemplate, err = defaultTemplate(fields["chat_template"]); err != nil {
				return fault(ErrFolder, "%s: chat_template: %v", name, err)
			}
		}
	}
	if template, ok := f.Files[templateFile]; ok {
		f.ChatTemplate = string(template)
	}
	return nil
}

// tokenContent reads a special token, written as a string or as an added token.
func tokenContent(raw json.RawMessage) (content string, err error) {
	if json.Unmarshal(raw, &content) == nil {
		return content, nil
	}
	var token struct{ Content *string }
	if json.Unmarshal(raw, &token) != nil || token.Content == nil {
		return "", errors.New(`neither a string nor an object with "content"`)
	}
	return *token.Content, nil
}

// defaultTemplate reads a chat template, written as a string or as a list of named ones, of which "default" is taken.
func defaultTemplate(raw json.RawMessage) (source string, err error) {
	if json.Unmarshal(raw, &source) == nil {
		return source, nil
	}
	var named []struct{ Name, Template string }
	if json.Unmarshal(raw, &named) != nil {
		return "", errors.New("neither a string nor a list of named templates")
	}
	for _, t := range named {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	return "", errors.New(`a list without a template named "default"`)
}

// FolderFromGGUF makes of a GGUF's vocabulary and chat template ("" for none) what OpenFolder would read; its Files
// load in transformers.
func FolderFromGGUF(v GGUFVocab, chatTemplate string) (*Folder, error) {
	t, err := FromGGUF(v)
	if err != nil {
		return nil, err
	}
	f := &Folder{Tokenizer: t, ChatTemplate: chatTemplate, Files: map[string][]byte{tokenizerFile: []byte(t.source)}}
	config := "{\n"
	for _, s := range v.named() {
		content, ok := t.Token(s.id)
		if !ok {
			continue
		}
		config += fmt.Sprintf("  %q: %s,\n", s.name, appendJSON(nil, content))
		switch s.name {
		case "bos_token":
			f.BOS = content
		case "eos_token":
			f.EOS = content
		case "pad_token":
			f.PAD = content
		}
	}
	config += `  "add_prefix_space": false,` + "\n" + `  "clean_up_tokenization_spaces": false,` + "\n" +
		`  "tokenizer_class": ` + strconv.Quote("PreTrainedTokenizerFast") + "\n}\n"
	f.Files[configFile] = []byte(config)
	if chatTemplate != "" {
		f.Files[templateFile] = []byte(chatTemplate)
	}
	return f, nil
}
