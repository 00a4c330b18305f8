package emu

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver"
	"retort/kernels/cuda/ptx"
	"retort/kernels/cuda/ptxfiles"
)

// text makes PTX of one kernel k(out) with out in %address and the thread's number in %lane.
func text(body string) string {
	return ".version 8.4\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 out) {\n" +
		".reg .pred %p<4>; .reg .b32 %r<8>; .reg .b64 %d<4>; .reg .b64 %address; .reg .b32 %lane;\n" +
		"ld.param.u64 %address, [out]; mov.u32 %lane, %tid.x;\n" + body + "\nret;\n}\n"
}

// increment adds 1 to the 32-bit integer at out.
var increment = text("ld.global.u32 %r0, [%address]; add.s32 %r0, %r0, 1; st.global.u32 [%address], %r0;")

// rig is an open device for one test.
type rig struct {
	t      *testing.T
	driver *Driver
	*driver.Context
	args driver.Args
}

func open(t *testing.T, o Options) *rig {
	t.Helper()
	d := New(o)
	c, err := driver.Open(d, 0)
	require.NoError(t, err)
	return &rig{t: t, driver: d, Context: c}
}

// must unwraps a result.
func must[T any](r *rig) func(T, error) T {
	r.t.Helper()
	return func(v T, err error) T {
		r.t.Helper()
		require.NoError(r.t, err)
		return v
	}
}

func (r *rig) alloc(n int64) driver.Ptr { return must[driver.Ptr](r)(r.Alloc(kernels.Scratch, n)) }
func (r *rig) host(n int64) []byte      { return must[[]byte](r)(r.AllocHost(kernels.Input, n)) }
func (r *rig) stream() driver.Stream    { return must[driver.Stream](r)(r.NewStream()) }
func (r *rig) event() driver.Event      { return must[driver.Event](r)(r.NewEvent(true)) }

// kernel loads a text and returns its kernel k.
func (r *rig) kernel(text string) driver.Function {
	r.t.Helper()
	m := must[driver.Module](r)(r.Load("test", text))
	return must[driver.Function](r)(r.Function(m, "k"))
}

// launch queues k(p) on one thread.
func (r *rig) launch(f driver.Function, p driver.Ptr, s driver.Stream) {
	r.t.Helper()
	require.NoError(r.t, r.Launch(f, driver.Geometry{}, r.args.Reset().Ptr(p), s))
}

// replace is s with old, which must be there, replaced once.
func replace(t *testing.T, s, old, with string) string {
	t.Helper()
	require.Contains(t, s, old)
	return strings.Replace(s, old, with, 1)
}

// requireCode holds err to a CUresult.
func requireCode(t *testing.T, code int, err error) *driver.Error {
	t.Helper()
	var e *driver.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, err.Error())
	require.NotEqual(t, "CUresult", e.Name, "the code has a name")
	return e
}

func floats(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// rmsNorm runs the embedded RMS norm of x = (3, 4) with weights (1, 2); try stops at the
// first error, and what was taken is given back whatever happens.
func rmsNorm(c *driver.Context, major, minor int, try func(error) bool) (out []byte) {
	s, err := c.NewStream()
	if !try(err) {
		return nil
	}
	defer func() { try(c.FreeStream(s)) }()
	var taken []driver.Ptr
	defer func() {
		for _, p := range taken {
			try(c.Free(p))
		}
	}()
	alloc := func(values []byte) (driver.Ptr, bool) {
		p, err := c.Alloc(kernels.Activations, 8)
		if !try(err) {
			return 0, false
		}
		taken = append(taken, p)
		return p, values == nil || try(c.CopyIn(p, values, s))
	}
	x, ok := alloc(floats(3, 4))
	if !ok {
		return nil
	}
	weight, ok := alloc(floats(1, 2))
	if !ok {
		return nil
	}
	y, ok := alloc(nil)
	if !ok {
		return nil
	}
	stats, ok := alloc(nil)
	if !ok {
		return nil
	}
	source, file, err := ptxfiles.For("norm", major, minor)
	if !try(err) {
		return nil
	}
	m, err := c.Load(file, source)
	if !try(err) {
		return nil
	}
	defer func() { try(c.Unload(m)) }()
	f, err := c.Function(m, "norm_f32")
	if !try(err) {
		return nil
	}
	args := new(driver.Args).Ptr(y).Ptr(stats).Ptr(0).Ptr(x).Ptr(0).Ptr(weight).Ptr(0).
		Int32(1).Int32(2).Int32(1).Int32(2).Int32(2).Int32(2).Int32(2).Float32(0).Int32(0)
	if !try(c.Launch(f, driver.Geometry{Grid: [3]int{1}, Block: [3]int{32}, SharedBytes: 8}, args, s)) {
		return nil
	}
	out = make([]byte, 8)
	if !try(c.CopyOut(out, y, s)) {
		return nil
	}
	return out
}

// normalized is (3, 4·2) / √12.5, the result of rmsNorm.
func normalized(t *testing.T, out []byte) {
	t.Helper()
	for i, want := range []float64{3 / math.Sqrt(12.5), 8 / math.Sqrt(12.5)} {
		require.InEpsilon(t, want, math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])), 1e-6)
	}
}

func TestAnEmbeddedKernelRunsAndIsCounted(t *testing.T) {
	r := open(t, Options{})
	for range 2 {
		normalized(t, rmsNorm(r.Context, 8, 0, func(err error) bool { require.NoError(t, err); return true }))
	}
	counts := r.driver.Counts()
	require.Len(t, counts, 1)
	require.Equal(t, int64(2), counts["norm_f32"].Launches)
	require.Equal(t, int64(2), counts["norm_f32"].Warps)
	require.Equal(t, int64(2*(8+8)), counts["norm_f32"].GlobalLoad.Bytes, "x and weight")
	r.driver.ResetCounts()
	require.Empty(t, r.driver.Counts())
	require.NoError(t, r.Close())
}

func TestDevicesImitateTheirCards(t *testing.T) {
	for _, card := range []struct {
		options   Options
		name      string
		gigabytes float64 // a second, of the data sheet
	}{
		{Options{}, "PTX machine (A100)", 2039},
		{Options{Attributes: H100}, "PTX machine (H100)", 3352},
		{Options{Attributes: RTX4090, MemoryBytes: 1 << 20}, "PTX machine (RTX 4090)", 1008},
	} {
		d := New(card.options)
		all, err := d.Devices()
		require.NoError(t, err)
		require.Len(t, all, 1)
		a := all[0]
		require.Equal(t, card.name, a.Name)
		require.InEpsilon(t, card.gigabytes, 2*float64(a.MemoryClockKHz)*1e3*float64(a.MemoryBusBits)/8/1e9, 1e-3)
		c, err := driver.Open(d, 0)
		require.NoError(t, err)
		_, total, err := c.MemInfo()
		require.NoError(t, err)
		require.Equal(t, a.MemoryBytes, total)
	}
	_, err := New(Options{}).Open(1)
	requireCode(t, driver.CodeInvalidDevice, err)
}

func TestEveryCardRunsItsTexts(t *testing.T) {
	for _, card := range []driver.Attributes{A100, H100, RTX4090} {
		t.Run(card.Name, func(t *testing.T) {
			r := open(t, Options{Attributes: card})
			for _, name := range ptxfiles.Names(card.Major, card.Minor) {
				source, file, err := ptxfiles.For(name, card.Major, card.Minor)
				require.NoError(t, err)
				m := must[driver.Module](r)(r.Load(file, source))
				require.NoError(t, r.Unload(m))
			}
			normalized(t, rmsNorm(r.Context, card.Major, card.Minor, func(err error) bool { require.NoError(t, err); return true }))
			require.NoError(t, r.Close())
		})
	}
}

func TestCapacityIsKept(t *testing.T) {
	r := open(t, Options{MemoryBytes: 100})
	p := r.alloc(60)
	_, err := r.Alloc(kernels.Scratch, 41)
	requireCode(t, driver.CodeOutOfMemory, err)
	q := r.alloc(40)
	require.NoError(t, r.Free(p))
	free, total, err := r.MemInfo()
	require.NoError(t, err)
	require.Equal(t, []int64{60, 100}, []int64{free, total})
	require.NoError(t, r.Free(q))
	require.NoError(t, r.Close())
}

func TestTextsLoadOnTheirDevicesOnly(t *testing.T) {
	swap := func(old, with string) string { return replace(t, increment, old, with) }
	for _, test := range []struct {
		name string
		text string
		a    driver.Attributes
		code int
	}{
		{"older target", increment, H100, 0},
		{"own target", swap("sm_80", "sm_89"), RTX4090, 0},
		{"newer target", swap("sm_80", "sm_89"), A100, driver.CodeNoBinary},
		{"Hopper's own", swap("sm_80", "sm_90a"), H100, 0},
		{"Hopper's own on Ada", swap("sm_80", "sm_90a"), RTX4090, driver.CodeNoBinary},
		{"Ampere's own on Hopper", swap("sm_80", "sm_80a"), H100, driver.CodeNoBinary},
		{"newer PTX", swap("8.4", "8.5"), A100, driver.CodePTXVersion},
		{"no target", swap(".target sm_80\n", ""), A100, driver.CodeInvalidPTX},
		{"too much static shared memory", text(".shared .align 4 .b8 s[49156]; mov.u32 %r1, s; st.shared.u32 [%r1], 1;"), A100, driver.CodeInvalidPTX},
		{"malformed", text("ld.global.u33 %r0, [%address];"), A100, driver.CodeInvalidPTX},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t, Options{Attributes: test.a})
			m, err := r.Load("mine.ptx", test.text)
			if test.code == 0 {
				require.NoError(t, err)
				require.NoError(t, r.Unload(m))
				require.NoError(t, r.Close())
				return
			}
			e := requireCode(t, test.code, err)
			require.Contains(t, e.Detail, "mine.ptx")
			require.NoError(t, r.Failed())
			var p *ptx.ParseError
			require.Equal(t, test.name == "malformed", errors.As(err, &p))
		})
	}
}

func TestLaunchesAreCheckedAtOnce(t *testing.T) {
	r := open(t, Options{})
	f, p := r.kernel(increment), r.alloc(4)
	launch := func(g driver.Geometry, args *driver.Args) error { return r.Launch(f, g, args, 0) }
	for name, err := range map[string]error{
		"threads":        launch(driver.Geometry{Block: [3]int{1025}}, r.args.Reset().Ptr(p)),
		"arguments":      launch(driver.Geometry{}, r.args.Reset().Ptr(p).Int32(1)),
		"dynamic shared": launch(driver.Geometry{SharedBytes: 48<<10 + 1}, r.args.Reset().Ptr(p)),
		"beyond opt-in":  r.SetMaxDynamic(f, 163<<10+1),
	} {
		t.Run(name, func(t *testing.T) { requireCode(t, driver.CodeInvalidValue, err) })
	}
	require.NoError(t, r.SetMaxDynamic(f, 163<<10))
	require.NoError(t, r.Fill(p, 0, 4, 0))
	require.NoError(t, launch(driver.Geometry{SharedBytes: 163 << 10}, r.args.Reset().Ptr(p)))
	require.NoError(t, r.Sync(0))
	a, err := r.FunctionAttributes(f)
	require.NoError(t, err)
	require.Equal(t, driver.FunctionAttributes{MaxThreads: 1024, MaxDynamicBytes: 163 << 10}, a)
}

func TestModulesOfOneTextHaveTheirOwnVariables(t *testing.T) {
	// Every launch adds 1 to a variable of the module and returns it.
	source := replace(t, text("mov.u64 %d0, v; ld.global.u32 %r0, [%d0]; add.s32 %r0, %r0, 1; st.global.u32 [%d0], %r0; st.global.u32 [%address], %r0;"),
		".visible", ".global .u32 v = 10;\n.visible")
	r := open(t, Options{})
	p := r.alloc(4)
	value := func(f driver.Function) byte {
		r.launch(f, p, 0)
		out := make([]byte, 4)
		require.NoError(t, r.CopyOut(out, p, 0))
		return out[0]
	}
	first := must[driver.Module](r)(r.Load("variables", source))
	f := must[driver.Function](r)(r.Function(first, "k"))
	require.Equal(t, byte(11), value(f))
	require.Equal(t, byte(12), value(f))
	second := must[driver.Module](r)(r.Load("variables", source))
	g := must[driver.Function](r)(r.Function(second, "k"))
	require.Equal(t, byte(11), value(g))
	require.Equal(t, byte(13), value(f))
	require.NoError(t, r.Unload(first))
	requireCode(t, driver.CodeInvalidHandle, r.Launch(f, driver.Geometry{}, r.args.Reset().Ptr(p), 0))
	third := must[driver.Module](r)(r.Load("variables", source))
	require.Equal(t, byte(11), value(must[driver.Function](r)(r.Function(third, "k"))), "a fresh load starts anew")
	_, err := r.Function(third, "nothing")
	requireCode(t, driver.CodeNotFound, err)
	require.NoError(t, r.Unload(second))
	require.NoError(t, r.Unload(third))
	require.NoError(t, r.Free(p))
	require.NoError(t, r.Close())
}

func TestTensorMapsAreHoppersAndChecked(t *testing.T) {
	m := driver.TensorMap{Address: 256, Rows: 9, Cols: 100, StrideBytes: 208, BoxRows: 64, BoxCols: 64, SwizzleBytes: 128}
	encode := func(card driver.Attributes, change func(m *driver.TensorMap)) error {
		r, changed := open(t, Options{Attributes: card}), m
		change(&changed)
		p := r.alloc(4096)
		changed.Address += p
		_, err := r.EncodeTensorMap(changed)
		require.NoError(t, r.Free(p))
		require.NoError(t, r.Close())
		return err
	}
	require.NoError(t, encode(H100, func(*driver.TensorMap) {}))
	requireCode(t, driver.CodeNotSupported, encode(A100, func(*driver.TensorMap) {}))
	for name, change := range map[string]func(m *driver.TensorMap){
		"address": func(m *driver.TensorMap) { m.Address += 8 },
		"stride":  func(m *driver.TensorMap) { m.StrideBytes = 200 },
		"box":     func(m *driver.TensorMap) { m.BoxRows = 257 },
		"swizzle": func(m *driver.TensorMap) { m.SwizzleBytes = 64 },
	} {
		t.Run(name, func(t *testing.T) { requireCode(t, driver.CodeInvalidValue, encode(H100, change)) })
	}
}
