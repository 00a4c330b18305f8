// Command compile turns kernels/cuda/src/*.cu into the PTX that ptxfiles embeds, by
// NVIDIA's own run-time compiler through gorgonia.org/cu/nvrtc. It needs neither a card nor
// a driver. 'make kernels' fetches the compiler and runs it (run.sh beside this file); it
// is built with the tag nvrtc only.
package main
