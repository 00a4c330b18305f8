package cuda

import "retort/kernels"

// sample is the kernel of src/sample.cu.
var sample = kernel{file: "sample", name: "sample"}

// coldest is the temperature below which the likeliest token is as good as certain.
const coldest = 1e-6

// Sample draws one token a row.
func (b *Backend) Sample(ids, logprobs, logits, uniforms kernels.Tensor, s kernels.Sampling) {
	const op = "Sample"
	rows, vocabulary := logits.Rows, logits.Cols
	kernels.Want(op, "logits", logits, kernels.Float32, rows, vocabulary)
	kernels.Want(op, "ids", ids, kernels.Int32, 1, rows)
	kernels.Want(op, "logprobs", logprobs, kernels.Float32, 1, rows)
	kernels.Want(op, "uniforms", uniforms, kernels.Float32, 1, rows)
	temperature, topK := s.Temperature, s.TopK
	if temperature < coldest {
		temperature = 0
	}
	if topK < 0 || topK >= vocabulary {
		topK = 0
	}
	b.launch(sample, rowGrid(rows, vocabularyThreads(vocabulary)), b.args.Reset().
		Ptr(b.pointer(ids)).Ptr(b.pointer(logprobs)).Ptr(b.pointer(logits)).Ptr(b.pointer(uniforms)).
		Int32(vocabulary).Int32(logits.Stride).Float32(temperature).Int32(topK).Float32(s.TopP))
}

// vocabularyThreads is the block that walks one row of logits: eight of them a thread or
// more, from 128 threads to 1024.
func vocabularyThreads(vocabulary int) int {
	threads := 128
	for threads < 1024 && 16*threads <= vocabulary {
		threads *= 2
	}
	return threads
}
