package gemm

import "unsafe"

// tileGeneric is the tile function of portable Go, one row after the other.
func tileGeneric(rows, _, steps int, a *float32, aRow, aStep int, b *float32, _ int, c *float32, ldc int, add bool) {
	panel := unsafe.Slice(b, steps*8)
	for r := range rows {
		row := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a), 4*r*aRow)), (steps-1)*aStep+1)
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for p := range steps {
			x, y := row[p*aStep], (*[8]float32)(panel[8*p:])
			s0 += x * y[0]
			s1 += x * y[1]
			s2 += x * y[2]
			s3 += x * y[3]
			s4 += x * y[4]
			s5 += x * y[5]
			s6 += x * y[6]
			s7 += x * y[7]
		}
		sums := [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
		out := (*[8]float32)(unsafe.Add(unsafe.Pointer(c), 4*r*ldc))
		if !add {
			*out = sums
			continue
		}
		for i := range out {
			out[i] += sums[i]
		}
	}
}
