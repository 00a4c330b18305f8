package vec
import ("testing";"os";"fmt";"math";"syscall";"runtime")
func cpuT() float64 { var r syscall.Rusage; syscall.Getrusage(1,&r); return float64(r.Utime.Sec)+float64(r.Utime.Usec)*1e-6 }
func TestZZ(t *testing.T){
 if os.Getenv("ZZ")=="" { t.Skip() }
 runtime.LockOSThread()
	const n = 4096
	s := make([][]float32, 5)
	for i := range s {
		s[i] = make([]float32, n)
		for j := range s[i] {
			s[i][j] = float32(j%29)/7 - 2
		}
	}
	step := AdamWStep{Scale: 1, LearningRate: 1e-9, Beta1: 0.9, Beta2: 0.99, Epsilon: 1, Correction1: 1, Correction2: 1}
	for _, c := range []struct {
		name  string
		bytes int64 // read and written for an element
		run   func()
	}{
		{"Dot", 8, func() { Dot(s[0], s[1]) }},
		{"Axpy", 12, func() { Axpy(s[0], 1e-9, s[1]) }},
		{"ExpShift", 8, func() { ExpShift(s[0], s[1], 1, 0) }},
		{"SiLUMul", 12, func() { SiLUMul(s[0], s[1], s[2]) }},
		{"SiLUMulBackward", 20, func() { SiLUMulBackward(s[0], s[3], s[4], s[1], s[2]) }},
		{"GELUTanh", 8, func() { GELUTanh(s[0], s[1]) }},
		{"GELUTanhBackward", 8, func() { GELUTanhBackward(s[0], s[1],s[2]) }},
		{"GELUErf", 8, func() { GELUErf(s[0], s[1]) }},
		{"GELUErfBackward", 12, func() { GELUErfBackward(s[0], s[1], s[2]) }},
		{"SoftmaxBackward", 12, func() { SoftmaxBackward(s[0], s[1], 1e-3, 1) }},
		{"Normalize", 12, func() { Normalize(s[0], s[1], s[2],nil, 1e-3, 1) }},
		{"NormSums", 12, func() { NormSums(s[0], s[1], s[2], 1) }},
		{"NormInput", 16, func() { NormInput(s[0], s[1], s[2], s[3], 1, 1, 1, 1, false) }},
		{"NormParameters", 24, func() { NormParameters(s[0], s[1], s[2], s[3], 1, 1e-9) }},
		{"SumSquares", 4, func() { SumSquares(s[0]) }},
		{"Max", 4, func() { Max(s[0]) }},
		{"RotateHalf32", 4, func() { for i:=0;i<n;i+=32 { RotateHalf(s[0][i:i+32],s[1][i:i+32],s[2][:32],s[3][:32]) } }},
		{"DotRows64", 4, func() { DotRows(s[1][:n/64], s[0][:64], s[2], 64) }},
		{"Dot64each", 4, func() { for i:=0;i<n;i+=64 { s[1][i] = Dot(s[0][:64], s[2][i:i+64]) } }},
		{"WeightedRows64", 4, func() { WeightedRows(s[0][:64], s[1][:n/64], s[2], 64) }},
		{"Axpy64each", 4, func() { for i:=0;i<n;i+=64 { Axpy(s[0][:64], 1e-9, s[2][i:i+64]) } }},
		{"AdamW", 28, func() { AdamW(s[0], s[1], s[3], s[4], &step) }},
	} {
	  fmt.Printf("%-18s", c.name)
	  for _,name:=range []string{"generic","avx2","avx512"} {
	    active=sets[name]
	    best:=math.MaxFloat64
	    reps:=3000; if name=="generic" {reps=200}
	    for range 5 { a:=cpuT(); for range reps { c.run() }; best=min(best,(cpuT()-a)/float64(reps)/n*1e9) }
	    fmt.Printf(" %s %.3f ns/el", name, best)
	  }
	  fmt.Println()
	}
}
