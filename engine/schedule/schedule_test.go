package schedule

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldenPath holds what transformers' get_scheduler returned.
const goldenPath = "../../../shared/golden/losses.json"

func TestSchedulesEqualTransformers(t *testing.T) {
	raw, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Skipf("golden schedules are absent: %v", err)
	}
	var golden struct {
		Schedules struct {
			WarmupSteps int                  `json:"warmup_steps"`
			MaxSteps    int                  `json:"max_steps"`
			BaseLR      float64              `json:"base_lr"`
			MinLRRate   float64              `json:"min_lr_rate"`
			Values      map[string][]float64 `json:"values"`
		} `json:"schedules"`
	}
	require.NoError(t, json.Unmarshal(raw, &golden))
	g := golden.Schedules
	require.NotEmpty(t, g.Values)
	for name, want := range g.Values {
		t.Run(name, func(t *testing.T) {
			minRate := 0.0
			if name == minRateName {
				minRate = g.MinLRRate
			}
			s, err := New(name, g.BaseLR, g.WarmupSteps, g.MaxSteps, minRate)
			require.NoError(t, err)
			require.Len(t, want, g.MaxSteps)
			for step, rate := range want {
				require.InDelta(t, rate, s.At(step), 1e-14, "step %d", step)
			}
		})
	}
}

func TestSmallSchedulesByHand(t *testing.T) {
	half := math.Sqrt2 / 2 // cos(π/4)
	cases := []struct {
		name          string
		base          float64
		warmup, total int
		minRate       float64
		want          []float64
	}{
		{"linear", 2, 0, 4, 0, []float64{2, 1.5, 1, 0.5, 0, 0}},
		{"linear", 1, 2, 4, 0, []float64{0, 0.5, 1, 0.5, 0}},
		{"linear", 1, 4, 4, 0, []float64{0, 0.25, 0.5, 0.75, 0}},
		{"linear", 1, 8, 4, 0, []float64{0, 0.125, 0.25, 0.375, 0.5}}, // warm-up longer than the run
		{"linear", 1, 0, 0, 0, []float64{0}},
		{"cosine", 2, 0, 4, 0, []float64{2, 1 + half, 1, 1 - half, 0}},
		{"cosine", 1, 1, 2, 0, []float64{0, 1, 0}},
		{"constant", 3, 5, 9, 0, []float64{3, 3, 3}}, // transformers ignores the warm-up here
		{"constant_with_warmup", 4, 2, 3, 0, []float64{0, 2, 4, 4, 4}},
		{"cosine_with_min_lr", 1, 0, 2, 0.2, []float64{1, 0.6, 0.2}},
		{"cosine_with_min_lr", 10, 0, 2, 1, []float64{10, 10, 10}},
		{"cosine_with_min_lr", 1, 0, 2, 0, []float64{1, 0.5, 0}},
	}
	for _, c := range cases {
		s, err := New(c.name, c.base, c.warmup, c.total, c.minRate)
		require.NoError(t, err)
		for step, want := range c.want {
			require.InDelta(t, want, s.At(step), 1e-15, "%s warm-up %d of %d, step %d", c.name, c.warmup, c.total, step)
		}
	}
}

func TestUnknownNameListsTheKnownOnes(t *testing.T) {
	_, err := New("polynomial", 1, 0, 1, 0)
	require.ErrorIs(t, err, ErrUnknownName)
	require.Contains(t, err.Error(), `"polynomial"`)
	for _, name := range []string{"linear", "cosine", "constant", "constant_with_warmup", "cosine_with_min_lr"} {
		require.Contains(t, err.Error(), name)
	}
	require.NotContains(t, err.Error(), "\n")
}

func TestValuesOutOfRangeAreErrors(t *testing.T) {
	cases := []struct {
		says, name    string
		base          float64
		warmup, total int
		minRate       float64
	}{
		{"learning_rate", "linear", -1, 0, 1, 0},
		{"learning_rate", "linear", math.NaN(), 0, 1, 0},
		{"learning_rate", "linear", math.Inf(1), 0, 1, 0},
		{"warmup_steps", "linear", 1, -1, 1, 0},
		{"steps", "linear", 1, 0, -1, 0},
		{"min_lr_rate", minRateName, 1, 0, 1, 1.5},
		{"min_lr_rate", minRateName, 1, 0, 1, math.NaN()},
		{"has no floor", "cosine", 1, 0, 1, 0.1},
	}
	for _, c := range cases {
		_, err := New(c.name, c.base, c.warmup, c.total, c.minRate)
		require.ErrorIs(t, err, ErrBadValue)
		require.True(t, strings.Contains(err.Error(), c.says), err.Error())
	}
}

func TestWarmupStepsWinOverRatioAndRatioRoundsUp(t *testing.T) {
	cases := []struct {
		steps int
		ratio float64
		total int
		want  int
	}{
		{0, 0, 100, 0}, {0, 0.03, 100, 3}, {0, 0.03, 101, 4}, {0, 0.1, 5, 1}, {0, 1, 7, 7}, {9, 0.5, 100, 9}, {0, 0.1, 0, 0},
	}
	for _, c := range cases {
		got, err := WarmupSteps(c.steps, c.ratio, c.total)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%+v", c)
	}
	for _, bad := range []float64{-0.1, 1.1, math.NaN()} {
		_, err := WarmupSteps(0, bad, 10)
		require.ErrorIs(t, err, ErrBadValue)
	}
	_, err := WarmupSteps(-1, 0, 10)
	require.ErrorIs(t, err, ErrBadValue)
}
