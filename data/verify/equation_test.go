package verify

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEquationsAreComputedAgain(t *testing.T) {
	for text, want := range map[string]Equations{
		"no sums": {}, "x = 5": {}, "2y + 3 = 7": {}, "y + 3 = 7": {}, "(a + 2) * 3 = 9": {}, "2^3*2 = 16": {}, "5 apples - 3 + 1 = 3": {}, "3 * 4 apples = 12": {}, "10:30 = late": {},
		"1 hour = 60 minutes": {}, "Day 2 = fine": {}, "2(180+30) = 420": {}, "(.50)22 = 11, 40(.2) = 8": {}, "a == b, 2+2 == 5, 3+1 >= 5": {},
		"20 + 10% = 22": {}, "2 1/2 * 4 = 10": {}, "50% of 20 = 10": {}, "2+3 = 2 1/2": {},
		"<<48/2=24>>":                            {1, nil},
		"<<48/2=25>>":                            {1, []string{"<<48/2=25>>"}},
		"<<5>>":                                  {1, []string{"<<5>>"}},
		"<<5/0=0>>":                              {1, []string{"<<5/0=0>>"}},
		"<<a+1=2>>":                              {1, []string{"<<a+1=2>>"}},
		"sold 48/2 = <<48/2=24>>24 clips":        {2, nil},
		"sold 48/2 = <<48/2=24>>25 clips":        {2, []string{"48/2 = 25"}},
		"<<10/3=3.33>> <<2/3=0.66>> <<2/3=.67>>": {3, nil},
		"<<10/3=3>>":                             {1, []string{"<<10/3=3>>"}},
		"<<10/3=3.35>>":                          {1, []string{"<<10/3=3.35>>"}},
		"<<20*0.01=.2>> <<1,000*2=2,000>> <<-5+3=-2>>":     {3, nil},
		"$12/60 = $0.2 per minute":                         {1, nil},
		"0.2 x 50 = $10, 3 × 4 = 12, 8 ÷ 2 = 4, 9 − 1 = 8": {4, nil},
		"3+4=7 and 7*2=15":                                 {2, []string{"7*2=15"}},
		"1. 5+3=8":                                         {1, nil},
		"1) 5+3=8":                                         {1, nil},
		"- 3 + 4 = 7\n* 3 + 4 = 8":                         {2, []string{"3 + 4 = 8"}},
		"So: -5 + 3 = -2":                                  {1, nil},
		"(3*4 = 12)":                                       {1, nil},
		"(2+3)*(4-1) = 15.":                                {1, nil},
		"5/20 = 25% and 5/20*100 = 25% and 2/3 = 66.6%":    {3, nil},
		"100% - 20% = 80%, 20 * 50% = 10":                  {2, nil},
		"5/20 = 26%":                                       {1, []string{"5/20 = 26%"}},
		"Day 2 = 3*4 = 12":                                 {1, nil},
		"2+3 = 5+1 = 6":                                    {2, []string{"2+3 = 5+1"}},
		"3*4 = 12 = 12.00":                                 {1, nil},
		"In 2020 5*3 = 15 - a lot":                         {1, nil},
		"1/2 = 0.5":                                        {1, nil},
		"6/(3-3) = 2":                                      {1, []string{"6/(3-3) = 2"}},
		"1,250 + 1,750 = 3,000":                            {1, nil},
		"total is 16 - 3 - 4 = 9 duck eggs.":               {1, nil},
	} {
		require.Equal(t, want, Recompute(text), text)
	}
}

func FuzzRecompute(f *testing.F) {
	for _, seed := range []string{"<<48/2=24>>24", "3+4=7", "((1 = 2", "1 1/2 = 3", "-=-", "$€£=1", "9x9=81", "1%+1%=2%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := Recompute(text)
		require.LessOrEqual(t, len(e.Wrong), e.Checked)
	})
}
