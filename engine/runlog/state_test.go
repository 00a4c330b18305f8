package runlog

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStateHasExactlyTransformersKeys(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, NewState().Encode(&out))
	var got map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	// The fields of TrainerState in transformers 5.23; it refuses others.
	want := []string{"epoch", "global_step", "max_steps", "logging_steps", "eval_steps", "save_steps", "train_batch_size",
		"num_train_epochs", "num_input_tokens_seen", "total_flos", "log_history", "best_metric", "best_global_step",
		"best_model_checkpoint", "is_local_process_zero", "is_world_process_zero", "is_hyper_param_search", "trial_name",
		"trial_params", "stateful_callbacks"}
	keys := make([]string, 0, len(got))
	for k := range got {
		keys = append(keys, k)
	}
	require.ElementsMatch(t, want, keys)
	require.Equal(t, "[]", string(got["log_history"]))
	require.Equal(t, "null", string(got["best_metric"]))
	require.Equal(t, "null", string(got["trial_params"]))
	require.True(t, json.Valid(got["stateful_callbacks"]))
}

// trained returns a state with a training and an evaluation entry every ten
// steps up to step.
func trained(step int) *State {
	s := NewState()
	for s.GlobalStep = 10; s.GlobalStep <= step; s.GlobalStep += 10 {
		s.Epoch = float64(s.GlobalStep) / 100
		s.Log(Metric{"loss", 1 / float64(s.GlobalStep)}, Metric{"grad_norm", 0.5}, Metric{"learning_rate", 2e-5})
		s.Log(Metric{"eval_loss", 2.25})
	}
	s.GlobalStep = step
	return s
}

func TestStateSurvivesWritingAndReading(t *testing.T) {
	s := trained(30)
	s.TotalFlos, s.NumInputTokensSeen, s.MaxSteps = 1.5e18, 1<<40, 100
	require.True(t, s.Best(2.25, true, "checkpoint-30"))
	var out bytes.Buffer
	require.NoError(t, s.Encode(&out))
	back, err := DecodeState(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	var again bytes.Buffer
	require.NoError(t, back.Encode(&again))
	require.Equal(t, out.String(), again.String())
	require.Equal(t, s.LogHistory, back.LogHistory)
	require.Equal(t, int64(1<<40), back.NumInputTokensSeen)
}

func TestLogHistoryKeepsItsOrderAndWholeSteps(t *testing.T) {
	s := trained(10)
	raw, err := json.Marshal(s.LogHistory)
	require.NoError(t, err)
	require.Equal(t, `[{"loss":0.1,"grad_norm":0.5,"learning_rate":0.00002,"epoch":0.1,"step":10},{"eval_loss":2.25,"epoch":0.1,"step":10}]`, string(raw))
}

func TestNonFiniteNumbersStayValidJSON(t *testing.T) {
	s := NewState()
	s.GlobalStep = 3
	s.Log(Metric{"loss", math.NaN()}, Metric{"grad_norm", math.Inf(1)}, Metric{"x", math.Inf(-1)}, Metric{"y", 1e38})
	var out bytes.Buffer
	require.NoError(t, s.Encode(&out))
	require.True(t, json.Valid(out.Bytes()))
	require.Contains(t, out.String(), `"loss": "NaN"`)
	back, err := DecodeState(&out)
	require.NoError(t, err)
	e := back.LogHistory[0]
	require.True(t, math.IsNaN(e[0].Value))
	require.True(t, math.IsInf(e[1].Value, 1))
	require.True(t, math.IsInf(e[2].Value, -1))
	require.Equal(t, 1e38, e[3].Value)
	var n Number
	require.NoError(t, json.Unmarshal([]byte("null"), &n))
	require.True(t, math.IsNaN(float64(n)))
	require.Error(t, json.Unmarshal([]byte(`"seven"`), &n))
}

func TestTruncateDropsOnlyLaterEntries(t *testing.T) {
	s := trained(30)
	require.Len(t, s.LogHistory, 6)
	s.Truncate(20)
	require.Len(t, s.LogHistory, 4)
	require.Equal(t, 20, s.LogHistory[3].Step())
	s.Truncate(0)
	require.Empty(t, s.LogHistory)
}

func TestBestTakesOnlyBetterFiniteMetrics(t *testing.T) {
	s := NewState()
	require.False(t, s.Best(math.NaN(), true, "a"))
	require.Nil(t, s.BestMetric)
	require.True(t, s.Best(2, true, "a"))
	require.False(t, s.Best(2, true, "b"))
	require.False(t, s.Best(math.Inf(-1), true, "b"))
	s.GlobalStep = 9
	require.True(t, s.Best(1, true, "c"))
	require.Equal(t, "c", *s.BestModelCheckpoint)
	require.Equal(t, 9, *s.BestGlobalStep)
	require.True(t, s.Best(3, false, "d"))
}

func TestDamagedStateIsOneClearError(t *testing.T) {
	for _, bad := range []string{"", "{", "[]", `{"global_step": -1}`, `{"global_step": "x"}`, `{"log_history": [7]}`,
		`{"log_history": [{"loss": "high"}]}`, `{"log_history": [{"loss": [1]}]}`, `{"log_history": 5}`} {
		_, err := DecodeState(strings.NewReader(bad))
		require.Error(t, err, bad)
		require.Contains(t, err.Error(), "trainer_state.json")
		require.NotContains(t, err.Error(), "\n")
	}
	s, err := DecodeState(strings.NewReader(`{"global_step": 5, "log_history": null, "unknown": 1}`))
	require.NoError(t, err)
	require.Equal(t, 5, s.GlobalStep)
	require.NotNil(t, s.LogHistory)
}
