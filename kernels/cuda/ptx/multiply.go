package ptx

// multiplyPortable adds a·b to d, in ascending k; each product and each sum is
// rounded to float32 by itself.
func multiplyPortable(mat *matrices, k int) {
	for i := range mat.d {
		d, a := &mat.d[i], mat.a[i][:k]
		d0, d1, d2, d3, d4, d5, d6, d7 := d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]
		for j, x := range a {
			b := &mat.b[j&15]
			d0 += float32(x * b[0])
			d1 += float32(x * b[1])
			d2 += float32(x * b[2])
			d3 += float32(x * b[3])
			d4 += float32(x * b[4])
			d5 += float32(x * b[5])
			d6 += float32(x * b[6])
			d7 += float32(x * b[7])
		}
		*d = [8]float32{d0, d1, d2, d3, d4, d5, d6, d7}
	}
}
