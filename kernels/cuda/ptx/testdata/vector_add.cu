// vector_add: out[i] = a[i] + b[i] for i < n, one element a thread.
extern "C" __global__ void vector_add(float *__restrict__ out, const float *__restrict__ a,
                                      const float *__restrict__ b, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = a[i] + b[i];
}

struct Affine {
  float scale;
  float shift;
  int n;
};

// affine: out[i] = in[i]*scale + shift over a grid-stride loop; its parameters
// travel in one struct, a byte-array parameter in PTX.
extern "C" __global__ void affine(float *out, const float *in, const __grid_constant__ Affine p) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < p.n; i += gridDim.x * blockDim.x)
    out[i] = in[i] * p.scale + p.shift;
}
