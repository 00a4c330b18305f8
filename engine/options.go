package engine

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"retort/data"
	"retort/engine/schedule"
	"retort/model"
)

// TrainOptions are the keys of a training run, under the names that transformers and TRL
// use. The tags are read by cmd: key is the flag and configuration key, help its line.
type TrainOptions struct {
	ModelNameOrPath    string `key:"model_name_or_path" help:"student to start from: a Hugging Face folder, a .gguf file, or a folder with one"`
	ConfigName         string `key:"config_name" help:"config.json (or its folder) of a fresh student with seeded random weights, instead of model_name_or_path"`
	TokenizerName      string `key:"tokenizer_name" help:"folder of the tokenizer of a fresh student; the problem generator's own when empty"`
	Dataset            string `key:"dataset" help:"JSONL file of rows to train on"`
	EvalDataset        string `key:"eval_dataset" help:"JSONL file of rows whose loss is measured every eval_steps"`
	AllowContamination bool   `key:"allow_contamination" help:"train on rows that eval_dataset or a known test split asks too"`
	OutputDir          string `key:"output_dir" help:"run folder: the student, its checkpoints and records"`
	Overwrite          bool   `key:"overwrite_output_dir" help:"write over a student that output_dir already holds"`

	UsePEFT           bool     `key:"use_peft" help:"train an adapter (LoRA) and leave the student as it is"`
	AdapterNameOrPath string   `key:"adapter_name_or_path" help:"adapter to continue; its own configuration wins over the lora_ keys"`
	LoraR             int      `key:"lora_r" help:"rank of a fresh adapter"`
	LoraAlpha         float64  `key:"lora_alpha" help:"an adapter's scale times its rank"`
	LoraDropout       float64  `key:"lora_dropout" help:"share of an adapter's inputs that are dropped"`
	LoraTargetModules []string `key:"lora_target_modules" help:"modules that get the adapter: names (repeat the key, or commas), a regular expression, or all-linear"`
	UseRSLora         bool     `key:"use_rslora" help:"scale by lora_alpha/√lora_r instead of lora_alpha/lora_r"`

	MaxLength            int    `key:"max_length" help:"tokens of a row, or of a pack, at most; never beyond the student's context"`
	ExcessLengthStrategy string `key:"excess_length_strategy" help:"rows longer than max_length: raise, drop or truncate"`
	Packing              bool   `key:"packing" help:"pack whole rows into max_length tokens; they never see each other"`
	CompletionOnlyLoss   bool   `key:"completion_only_loss" help:"train completions only; otherwise prompts too"`
	Shuffle              bool   `key:"shuffle" help:"draw a new seeded order of the rows for every epoch"`

	PerDeviceTrainBatchSize   int     `key:"per_device_train_batch_size" help:"rows (or packs) of a micro-batch"`
	GradientAccumulationSteps int     `key:"gradient_accumulation_steps" help:"micro-batches of an optimizer step"`
	LearningRate              float64 `key:"learning_rate" help:"peak learning rate of AdamW; -1 is 2e-5, and 1e-4 for an adapter"`
	NumTrainEpochs            float64 `key:"num_train_epochs" help:"passes over the data, when max_steps is not set"`
	MaxSteps                  int     `key:"max_steps" help:"optimizer steps; overrides num_train_epochs when positive"`
	LRSchedulerType           string  `key:"lr_scheduler_type" help:"linear, cosine, constant, constant_with_warmup or cosine_with_min_lr"`
	MinLRRate                 float64 `key:"min_lr_rate" help:"floor of cosine_with_min_lr as a share of learning_rate"`
	WarmupRatio               float64 `key:"warmup_ratio" help:"share of the steps that warm up"`
	WarmupSteps               int     `key:"warmup_steps" help:"steps that warm up; overrides warmup_ratio when positive"`
	WeightDecay               float64 `key:"weight_decay" help:"AdamW's decay, on parameters of two dimensions"`
	AdamBeta1                 float64 `key:"adam_beta1" help:"AdamW's first decay rate"`
	AdamBeta2                 float64 `key:"adam_beta2" help:"AdamW's second decay rate"`
	AdamEpsilon               float64 `key:"adam_epsilon" help:"AdamW's epsilon"`
	MaxGradNorm               float64 `key:"max_grad_norm" help:"clip gradients to this global norm; 0 does not clip"`

	GradientCheckpointing bool `key:"gradient_checkpointing" help:"keep only the input of every block and compute the rest again: less memory, more time"`

	LoggingSteps         int    `key:"logging_steps" help:"log every so many steps"`
	SaveSteps            int    `key:"save_steps" help:"write a checkpoint every so many steps; 0 only when interrupted"`
	SaveTotalLimit       int    `key:"save_total_limit" help:"checkpoints to keep; 0 keeps all"`
	EvalSteps            int    `key:"eval_steps" help:"measure eval_dataset's loss every so many steps; 0 only at the end"`
	Seed                 int    `key:"seed" help:"seed of fresh weights and of the order of rows"`
	ReportTo             string `key:"report_to" help:"tensorboard or none"`
	ResumeFromCheckpoint string `key:"resume_from_checkpoint" help:"checkpoint folder to continue from, or auto for the newest whole one in output_dir"`
	DryRun               bool   `key:"dry_run" help:"load, validate and show ten rendered rows with their masks; train nothing"`

	// Command is how the run was started, for the model card.
	Command string
}

// DefaultTrainOptions are TRL's defaults.
func DefaultTrainOptions() TrainOptions {
	return TrainOptions{
		MaxLength: 1024, ExcessLengthStrategy: string(data.Raise), CompletionOnlyLoss: true, Shuffle: true,
		PerDeviceTrainBatchSize: 8, GradientAccumulationSteps: 1, LearningRate: defaultRate, NumTrainEpochs: 3, MaxSteps: -1,
		LoraR: 16, LoraAlpha: 32, LoraDropout: 0.05, LoraTargetModules: []string{"all-linear"},
		LRSchedulerType: "linear", MinLRRate: 0.1, AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEpsilon: 1e-8, MaxGradNorm: 1,
		LoggingSteps: 10, SaveSteps: 500, Seed: 42, ReportTo: "tensorboard",
	}
}

// defaultRate stands for the learning rate that suits what is trained.
const defaultRate = -1

// trainsAdapter tells whether the run updates an adapter rather than the student.
func (o TrainOptions) trainsAdapter() bool { return o.UsePEFT || o.AdapterNameOrPath != "" }

// settled is the options with the learning rate decided.
func (o TrainOptions) settled(adapter bool) TrainOptions {
	if o.LearningRate == defaultRate {
		o.LearningRate = 2e-5
		if adapter {
			o.LearningRate = 1e-4
		}
	}
	return o
}

// lora is the configuration of a fresh adapter.
func (o TrainOptions) lora() model.LoRA {
	return model.LoRA{
		R: o.LoraR, Alpha: o.LoraAlpha, Dropout: o.LoraDropout, RankStabilized: o.UseRSLora,
		Targets: model.ParseTargets(o.LoraTargetModules), Base: o.ModelNameOrPath,
	}
}

// hyperparameters are the settings that decide where training ends, as text.
func (o TrainOptions) hyperparameters() map[string]string {
	out := map[string]string{}
	fields := reflect.ValueOf(o)
	for i := range fields.NumField() {
		switch key := fields.Type().Field(i).Tag.Get("key"); key {
		case "learning_rate", "num_train_epochs", "max_steps", "lr_scheduler_type", "min_lr_rate", "warmup_ratio", "warmup_steps",
			"weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm",
			"lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "use_rslora":
			out[key] = fmt.Sprint(fields.Field(i).Interface())
		}
	}
	return out
}

// minLRRate is the floor of the one schedule that has one, 0 for the others.
func (o TrainOptions) minLRRate() float64 {
	if o.LRSchedulerType == "cosine_with_min_lr" {
		return o.MinLRRate
	}
	return 0
}

// maxOption is the largest number that an option may be: far beyond sense, small enough to
// count steps with.
const maxOption = 1e9

// ErrUsage is wrapped by errors about options that no file can make right.
var ErrUsage = errors.New("usage")

// Validate checks ranges and combinations; errors wrap ErrUsage and name the key.
func (o TrainOptions) Validate() error {
	o = o.settled(o.trainsAdapter())
	for fields, i := reflect.ValueOf(o), 0; i < fields.NumField(); i++ {
		v, isFloat := fields.Field(i).Interface().(float64)
		if isFloat && (math.IsNaN(v) || math.Abs(v) > maxOption) {
			return fmt.Errorf("%w: %s is %v", ErrUsage, fields.Type().Field(i).Tag.Get("key"), v)
		}
	}
	for _, r := range []struct {
		bad bool
		say string
	}{
		{o.ModelNameOrPath == "" && o.ConfigName == "", "model_name_or_path (or config_name for a fresh student) is missing"},
		{o.ModelNameOrPath != "" && o.ConfigName != "", "model_name_or_path and config_name exclude each other"},
		{o.Dataset == "", "dataset is missing"},
		{o.OutputDir == "" && !o.DryRun, "output_dir is missing"},
		{o.MaxLength < 2, "max_length must be at least 2"},
		{o.PerDeviceTrainBatchSize < 1, "per_device_train_batch_size must be at least 1"},
		{o.GradientAccumulationSteps < 1, "gradient_accumulation_steps must be at least 1"},
		{!(o.LearningRate >= 0 && o.LearningRate < 1e3), "learning_rate must be 0 or more, and below 1000"},
		{o.MaxSteps <= 0 && !(o.NumTrainEpochs > 0), "num_train_epochs or max_steps must be positive"},
		{!(o.AdamBeta1 >= 0 && o.AdamBeta1 < 1) || !(o.AdamBeta2 >= 0 && o.AdamBeta2 < 1), "adam_beta1 and adam_beta2 must lie in [0, 1)"},
		{!(o.AdamEpsilon > 0), "adam_epsilon must be positive"},
		{!(o.WeightDecay >= 0), "weight_decay must be 0 or more"},
		{!(o.MaxGradNorm >= 0), "max_grad_norm must be 0 or more"},
		{!(o.WarmupRatio >= 0 && o.WarmupRatio <= 1), "warmup_ratio must lie in [0, 1]"},
		{o.WarmupSteps < 0, "warmup_steps must be 0 or more"},
		{o.LoggingSteps < 1, "logging_steps must be at least 1"},
		{o.SaveSteps < 0 || o.EvalSteps < 0 || o.SaveTotalLimit < 0, "save_steps, eval_steps and save_total_limit must be 0 or more"},
		{o.ReportTo != "tensorboard" && o.ReportTo != "none", "report_to must be tensorboard or none"},
	} {
		if r.bad {
			return fmt.Errorf("%w: %s", ErrUsage, r.say)
		}
	}
	switch data.Strategy(o.ExcessLengthStrategy) {
	case data.Raise, data.Drop, data.Truncate:
	default:
		return fmt.Errorf("%w: excess_length_strategy must be raise, drop or truncate", ErrUsage)
	}
	if o.UsePEFT && o.AdapterNameOrPath == "" {
		if err := o.lora().Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrUsage, err)
		}
	}
	if _, err := schedule.New(o.LRSchedulerType, o.LearningRate, 0, 1, o.minLRRate()); err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return nil
}
