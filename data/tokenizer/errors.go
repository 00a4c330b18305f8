package tokenizer

import "errors"

// What a tokenizer.json may be refused for; every error of FromJSON wraps exactly one of them.
var (
	// ErrJSON is returned when the file is not UTF-8 JSON, or a value in it has the wrong JSON type.
	ErrJSON = errors.New("malformed JSON")
	// ErrNoModel is returned when the file has no model, or the model no vocabulary.
	ErrNoModel = errors.New("no model")
	// ErrUnknownModel is returned for a model that is neither BPE nor WordLevel, or an option of it that we lack.
	ErrUnknownModel = errors.New("unsupported model")
	// ErrUnknownComponent is returned for a normalizer, pre-tokenizer, post-processor or decoder that we lack.
	ErrUnknownComponent = errors.New("unsupported component")
	// ErrPattern is returned when a pre-tokenizer's pattern does not compile or would match otherwise than in the
	// reference.
	ErrPattern = errors.New("unsupported pattern")
	// ErrBadID is returned for a token id that is negative, not whole, or no number.
	ErrBadID = errors.New("bad token id")
	// ErrDuplicateID is returned when two tokens of the model have one id.
	ErrDuplicateID = errors.New("duplicate token id")
	// ErrDuplicateToken is returned when a token occurs twice in the vocabulary or among the added tokens.
	ErrDuplicateToken = errors.New("duplicate token")
	// ErrNotDense is returned when the ids do not cover 0 to their number minus one.
	ErrNotDense = errors.New("token ids are not dense")
	// ErrMerge is returned for a merge that is not a pair of tokens.
	ErrMerge = errors.New("malformed merge")
	// ErrMergeToken is returned for a merge of, or into, a token that is not in the vocabulary.
	ErrMergeToken = errors.New("merge of an unknown token")
	// ErrAddedToken is returned for an added token without content, or whose id or content collides with the model.
	ErrAddedToken = errors.New("bad added token")
)

// What a GGUF's vocabulary or a folder may be refused for.
var (
	// ErrGGUF is returned when a GGUF's tokenizer is of a kind that we lack, or contradicts itself.
	ErrGGUF = errors.New("unsupported GGUF vocabulary")
	// ErrFolder is returned when a folder's tokenizer_config.json does not fit its tokenizer.json.
	ErrFolder = errors.New("inconsistent tokenizer folder")
)
