package runlog

import (
	"encoding/json"
	"fmt"
	"math"
)

// Number is a float64 that stays valid JSON when it is not finite: NaN and
// the infinities are written as the strings "NaN", "Infinity", "-Infinity".
// (Python's json writes them bare, which no other parser accepts; null would
// lose which of the three it was.) null reads as NaN.
type Number float64

var nonFinite = []struct {
	text  string
	value float64
}{
	{`"NaN"`, math.NaN()},
	{`"Infinity"`, math.Inf(1)},
	{`"-Infinity"`, math.Inf(-1)},
	{`null`, math.NaN()}, // read only
}

// MarshalJSON writes a number, or a string if it is not finite.
func (n Number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	switch {
	case math.IsNaN(v):
		return []byte(nonFinite[0].text), nil
	case math.IsInf(v, 1):
		return []byte(nonFinite[1].text), nil
	case math.IsInf(v, -1):
		return []byte(nonFinite[2].text), nil
	}
	return json.Marshal(v)
}

// UnmarshalJSON reads what MarshalJSON writes, and null.
func (n *Number) UnmarshalJSON(raw []byte) error {
	for _, special := range nonFinite {
		if string(raw) == special.text {
			*n = Number(special.value)
			return nil
		}
	}
	var v float64
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("number %s: %w", raw, err)
	}
	*n = Number(v)
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
