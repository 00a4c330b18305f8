package model

import "testing"

// FuzzParseConfig holds config.json to: no panic, and what parses is valid and small
// enough to count its parameters.
func FuzzParseConfig(f *testing.F) {
	for _, c := range tiny() {
		s := Student{Config: c}
		raw, err := s.ConfigJSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := ParseConfig(raw)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		if c.Parameters() <= 0 {
			t.Fatalf("%d parameters", c.Parameters())
		}
	})
}
