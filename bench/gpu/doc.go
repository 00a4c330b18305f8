// Command gpu measures the kernels and whole students of retort on a card, and predicts what
// a card would do where there is none. bench/gpu/run.sh builds it and what it needs, and runs it:
//
//	bash bench/gpu/run.sh OUT              everything, on this machine's card
//	DEVICE=emu bash bench/gpu/run.sh       the same code on the PTX machine, at tiny shapes
//	go run ./bench/gpu -predict            predicted times of kernels from the PTX machine's counts
//	go run ./bench/gpu -predict-step       and of whole training steps
//
// A run has parts (parts.go): doctor, conformance, kernels, students, and NVIDIA's
// sanitizers. Each part is a row of the report whether it succeeded or not, and the report is
// written anew after every part and suite, so that a run cut short still leaves what it had.
//
// The kernels part times cases: an operation (operations_*.go) at a shape (cases.go), ours
// and PyTorch's in turns (measure.go, peer.go). A new operation is one entry of operations,
// a new group of figures one entry of suites. The students part (students.go) times training
// (train.go), decoding (decode.go) and fine-tuning (sft.go) of whole students.
package main
