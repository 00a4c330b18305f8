package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// adapter_config.json, PEFT's description of an adapter.

// rawLoRA is what we read of it.
type rawLoRA struct {
	PEFTType string   `json:"peft_type"`
	R        int      `json:"r"`
	Alpha    float64  `json:"lora_alpha"`
	Dropout  float64  `json:"lora_dropout"`
	RSLoRA   bool     `json:"use_rslora"`
	Targets  *Targets `json:"target_modules"`
	Base     *string  `json:"base_model_name_or_path"`
}

// plainLoRA are the keys of PEFT that change what an adapter computes, each with the values
// that leave it plain LoRA, beside null; an adapter with another one would be read wrongly.
var plainLoRA = map[string][]string{
	"bias": {`"none"`}, "use_dora": {"false"}, "lora_bias": {"false"}, "use_qalora": {"false"}, "use_bdlora": {"false"},
	"modules_to_save": {"[]"}, "rank_pattern": {"{}"}, "alpha_pattern": {"{}"}, "exclude_modules": {"[]"},
	"layers_to_transform": {"[]"}, "layer_replication": {"[]"}, "trainable_token_indices": {"[]", "{}"}, "target_parameters": {"[]"},
	"alora_invocation_tokens": {"[]"},
	// other ways to begin change the base's weights too
	"init_lora_weights": {"true", "false", `"gaussian"`, `"orthogonal"`, `"eva"`},
}

// parseLoRA reads an adapter_config.json.
func parseLoRA(raw []byte) (LoRA, error) {
	r := rawLoRA{R: 8, Alpha: 8} // PEFT's defaults
	var source map[string]json.RawMessage
	err := json.Unmarshal(raw, &source)
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	if err != nil {
		return LoRA{}, fmt.Errorf("%w: %w", ErrAdapter, inJSON(err))
	}
	if r.PEFTType != "LORA" {
		return LoRA{}, fmt.Errorf("%w: peft_type %q is not supported (LORA is)", ErrAdapter, r.PEFTType)
	}
	for _, key := range slices.Sorted(maps.Keys(plainLoRA)) {
		value := strings.Join(strings.Fields(string(source[key])), "")
		if value != "" && value != "null" && !slices.Contains(plainLoRA[key], value) {
			return LoRA{}, fmt.Errorf("%w: %s %s is not supported", ErrAdapter, key, value)
		}
	}
	l := LoRA{R: r.R, Alpha: r.Alpha, Dropout: r.Dropout, RankStabilized: r.RSLoRA, Base: orElse(r.Base, ""), source: source}
	l.Targets = orElse(r.Targets, Targets{})
	return l, l.Validate()
}

// configJSON is adapter_config.json: as it was read, or a new one.
func (l LoRA) configJSON(c Config) ([]byte, error) {
	fields := map[string]any{}
	for key, value := range l.source {
		fields[key] = value
	}
	if l.source == nil {
		fields = map[string]any{
			"peft_type": "LORA", "task_type": "CAUSAL_LM", "inference_mode": true, "bias": "none",
			"r": l.R, "lora_alpha": l.Alpha, "lora_dropout": l.Dropout, "use_rslora": l.RankStabilized, "use_dora": false,
			"target_modules": l.Targets.resolved(c), "fan_in_fan_out": c.Family == GPT2, "init_lora_weights": true,
			"alpha_pattern": map[string]any{}, "rank_pattern": map[string]any{}, "modules_to_save": nil,
			"layers_to_transform": nil, "layers_pattern": nil, "auto_mapping": nil, "revision": nil,
		}
	}
	fields["base_model_name_or_path"] = nil
	if l.Base != "" {
		fields["base_model_name_or_path"] = l.Base
	}
	return json.MarshalIndent(fields, "", "  ")
}
