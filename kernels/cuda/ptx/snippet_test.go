package ptx

import (
	"fmt"
	"os"
	command "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// snippet is a few instructions whose result stands in a register: %r0 (32 bits),
// %d0 (64 bits), %h0 (16 bits) or %p0.
type snippet struct {
	body string
	out  string
	want uint64
}

const registers = `
	.reg .pred %p<8>;
	.reg .b16 %h<10>;
	.reg .b32 %r<20>;
	.reg .b64 %d<20>;
	.reg .b64 %address;
	.reg .b32 %lane;
	.reg .pred %only;
`

// kernelText wraps a body into a kernel with one pointer parameter in %address;
// lanes other than 5 may be switched off by the guard's setting.
func kernelText(body string) string {
	return ".version 8.4\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 out) {" + registers + `
	ld.param.u64 %address, [out];
	mov.u32 %lane, %tid.x;
` + body + "\n\tret;\n}\n"
}

// text builds the kernel; with single set only lane 5 executes the body, so that
// the forms with inactive lanes are tested as well.
func (s snippet) text(single bool) string {
	skip := "setp.eq.u32 %only, %lane, %lane;"
	if single {
		skip = "setp.eq.u32 %only, %lane, 5;"
	}
	store := map[byte]string{'r': "st.global.b32 [%address], %r0;", 'd': "st.global.b64 [%address], %d0;",
		'h': "st.global.b16 [%address], %h0;", 'p': "selp.b32 %r0, 1, 0, %p0; st.global.b32 [%address], %r0;"}[s.out[0]]
	return kernelText("\tmul.wide.u32 %d19, %lane, 8; add.s64 %address, %address, %d19;\n\t" + skip +
		"\n\t@!%only bra done;\n\t" + s.body + "\n\t" + store + "\ndone:")
}

func (s snippet) run(t *testing.T, single bool) {
	t.Helper()
	m, err := Load("snippet", s.text(single))
	require.NoError(t, err, s.body)
	k := kernelOf(t, m, "k")
	mem := NewMemory()
	out := reserve(t, mem, 32*8)
	require.NoError(t, mem.Fill(out, 32*8, 0))
	_, err = Run(mem, Launch{Kernel: k, Block: [3]int{32}, Args: arguments(t, k, out)})
	require.NoError(t, err, s.body)
	for lane, v := range download[uint64](t, mem, out, 32) {
		want := s.want
		if single && lane != 5 {
			want = 0
		}
		require.Equal(t, fmt.Sprintf("%#x", want), fmt.Sprintf("%#x", v), "lane %d: %s", lane, s.body)
	}
}

func runSnippets(t *testing.T, list []snippet) {
	for _, s := range list {
		s.run(t, false)
		s.run(t, true)
	}
}

// TestPtxasAcceptsTheSnippets assembles every hand-written snippet with NVIDIA's
// own assembler, so that the machine is not tested on a language of its own.
func TestPtxasAcceptsTheSnippets(t *testing.T) {
	ptxas := os.Getenv("PTXAS")
	if ptxas == "" {
		t.Skip("set PTXAS to NVIDIA's ptxas (PyPI package nvidia-cuda-nvcc-cu12) to assemble the snippets")
	}
	dir := t.TempDir()
	for name, list := range allSnippets() {
		var all strings.Builder
		arch := "sm_80"
		if name == "hopper" {
			arch = "sm_90a"
		}
		all.WriteString(".version 8.4\n.target " + arch + "\n.address_size 64\n")
		for i, s := range list {
			_, entry, _ := strings.Cut(s.text(true), ".address_size 64\n")
			all.WriteString(strings.Replace(entry, ".entry k(", fmt.Sprintf(".entry k%d(", i), 1))
		}
		file := filepath.Join(dir, name+".ptx")
		require.NoError(t, os.WriteFile(file, []byte(all.String()), 0o600))
		out, err := command.Command(ptxas, "-arch="+arch, "-o", filepath.Join(dir, name+".cubin"), file).CombinedOutput()
		if err != nil {
			lines := strings.Split(all.String(), "\n")
			for _, l := range strings.Split(string(out), "\n") {
				var n int
				if _, after, ok := strings.Cut(l, "line "); ok {
					if _, err := fmt.Sscanf(after, "%d", &n); err == nil && n <= len(lines) {
						t.Errorf("%s\n\t%s", l, lines[n-1])
					}
				}
			}
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPtxasAcceptsTheHopperKernels does the same with the longer texts for sm_90a.
func TestPtxasAcceptsTheHopperKernels(t *testing.T) {
	ptxas := os.Getenv("PTXAS")
	if ptxas == "" {
		t.Skip("set PTXAS to NVIDIA's ptxas (PyPI package nvidia-cuda-nvcc-cu12) to assemble the kernels")
	}
	for name, body := range map[string]string{
		"tile": loadTile + waitParity + copyShared, "plain": loadBytes("0") + waitParity, "pass": passWord + waitParity + readWord,
		"k-major": kMajor.text(), "mn-major": mnMajor.text(), "registers": electAndTrap,
	} {
		file := filepath.Join(t.TempDir(), "k.ptx")
		require.NoError(t, os.WriteFile(file, []byte(hopperKernel(body)), 0o600))
		out, err := command.Command(ptxas, "-arch=sm_90a", "-o", file+".cubin", file).CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
	}
}

func allSnippets() map[string][]snippet {
	return map[string][]snippet{"integer": integerSnippets, "bits": bitSnippets, "float": floatSnippets,
		"half": halfSnippets, "convert": convertSnippets, "compare": compareSnippets, "memory": memorySnippets,
		"collective": collectiveSnippets, "subset": subsetSnippets, "hopper": hopperSnippets}
}
