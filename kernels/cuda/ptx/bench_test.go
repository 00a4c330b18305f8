package ptx

import "testing"

// The figures to watch are lane instructions a second on one core with all checks
// on, an mma counted as 32; issue 5 asks for 200 million.

func report(b *testing.B, lanes int64) {
	b.ReportMetric(float64(lanes)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mlane/s")
}

func BenchmarkRMSNorm(b *testing.B) {
	k := kernelOf(b, loadFile(b, "rms_norm"), "rms_norm")
	mem := NewMemory()
	rows, d := 32, 2048
	l := Launch{Kernel: k, Grid: [3]int{rows}, Block: [3]int{256}, Workers: 1,
		Args: arguments(b, k, reserve(b, mem, 2*rows*d), upload(b, mem, toBrain(ramp(rows*d))), upload(b, mem, toBrain(ramp(d))), int32(d), float32(1e-5))}
	var lanes int64
	for b.Loop() {
		c, err := Run(mem, l)
		if err != nil {
			b.Fatal(err)
		}
		lanes = c.Executed.Lane
	}
	report(b, lanes)
}

func BenchmarkGEMM(b *testing.B) {
	k := kernelOf(b, loadFile(b, "gemm"), "gemm")
	mem := NewMemory()
	m, n, depth := 128, 128, 768
	l := Launch{Kernel: k, Grid: [3]int{n / 64, m / 64}, Block: [3]int{128}, Workers: 1,
		Args: arguments(b, k, reserve(b, mem, 4*m*n), upload(b, mem, toBrain(ramp(m*depth))), upload(b, mem, toBrain(ramp(n*depth))), int32(n), int32(depth))}
	var lanes, flops int64
	for b.Loop() {
		c, err := Run(mem, l)
		if err != nil {
			b.Fatal(err)
		}
		lanes, flops = c.Executed.Lane, c.MatrixFLOPs
	}
	report(b, lanes)
	b.ReportMetric(float64(flops)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkSoftmax(b *testing.B) {
	k := kernelOf(b, loadFile(b, "softmax"), "softmax")
	mem := NewMemory()
	rows, d := 64, 512
	l := Launch{Kernel: k, Grid: [3]int{rows / 4}, Block: [3]int{128}, Workers: 1,
		Args: arguments(b, k, reserve(b, mem, 4*rows*d), upload(b, mem, ramp(rows*d)), int32(rows), int32(d))}
	var lanes int64
	for b.Loop() {
		c, err := Run(mem, l)
		if err != nil {
			b.Fatal(err)
		}
		lanes = c.Executed.Lane
	}
	report(b, lanes)
}

// BenchmarkTinyLaunch is what a launch costs that does next to nothing.
func BenchmarkTinyLaunch(b *testing.B) {
	k := kernelOf(b, loadFile(b, "rms_norm"), "rms_norm")
	mem := NewMemory()
	d := 64
	l := Launch{Kernel: k, Block: [3]int{256}, Workers: 1,
		Args: arguments(b, k, reserve(b, mem, 2*d), upload(b, mem, toBrain(ramp(d))), upload(b, mem, toBrain(ramp(d))), int32(d), float32(1e-5))}
	for b.Loop() {
		if _, err := Run(mem, l); err != nil {
			b.Fatal(err)
		}
	}
}
