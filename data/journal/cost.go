package journal

import (
	"fmt"
	"math"
)

// Cost is an amount of money in billionths of the unit that prices are given in.
// Whole numbers add up exactly; roundings go up.
type Cost int64

// unit is one unit of money.
const unit = 1_000_000_000

// Units makes an amount from a number of units, rounded down: a cap.
func Units(amount float64) Cost { return clamp(math.Floor(amount * unit)) }

// TokenCost is what so many tokens cost at a price per million, rounded up.
func TokenCost(tokens int, pricePerMillion float64) Cost {
	return clamp(math.Ceil(float64(tokens) * pricePerMillion / 1e6 * unit))
}

// Float is the amount in units.
func (c Cost) Float() float64 { return float64(c) / unit }

// String is the amount with as many decimals as small amounts need.
func (c Cost) String() string {
	if v := math.Abs(c.Float()); v != 0 && v < 0.1 {
		return fmt.Sprintf("%.6f", c.Float())
	}
	return fmt.Sprintf("%.2f", c.Float())
}

// clamp keeps an amount far from where sums would overflow.
func clamp(v float64) Cost {
	const most = 1 << 60
	if !(v > 0) {
		return 0
	}
	return Cost(min(v, most))
}

// plus adds two amounts and stays at the largest there is.
func (c Cost) plus(d Cost) Cost {
	if c > math.MaxInt64-d {
		return math.MaxInt64
	}
	return c + d
}
