package emu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels"
	"retort/kernels/cuda/driver"
)

func TestAGraphReplaysItsCalls(t *testing.T) {
	r := open(t, Options{})
	p, s, host, f, e := r.alloc(4), r.stream(), r.host(4), r.kernel(increment), r.event()
	copy(host, []byte{10, 0, 0, 0})
	require.NoError(t, r.Fill(p, 0, 4, s))
	require.NoError(t, r.Sync(s))
	require.NoError(t, r.BeginCapture(s))
	require.NoError(t, r.CopyIn(p, host, s))
	r.launch(f, p, s)
	require.NoError(t, r.Record(e, s))
	require.NoError(t, r.Wait(s, e))
	r.launch(f, p, s)
	g := must[driver.Graph](r)(r.EndCapture(s))
	r.args.Reset().Ptr(0) // the recording has its own arguments
	require.Equal(t, byte(0), r.read(p, s), "a capture runs nothing")
	require.Empty(t, r.driver.Counts())

	for i := range byte(3) {
		host[0] = 20 * i
		require.NoError(t, r.LaunchGraph(g, s))
		require.Equal(t, 20*i+2, r.read(p, s), "a replay reads page-locked memory anew")
	}
	require.Equal(t, int64(6), r.driver.Counts()["k"].Launches)

	require.NoError(t, r.BeginCapture(s))
	require.NoError(t, r.LaunchGraph(g, s))
	r.launch(f, p, s)
	both := must[driver.Graph](r)(r.EndCapture(s))
	require.NoError(t, r.FreeGraph(g))
	require.NoError(t, r.LaunchGraph(both, s))
	require.NoError(t, r.FreeGraph(both))
	require.Equal(t, byte(43), r.read(p, s), "a graph within a graph; what is queued outlives its handle")
}

func TestWhatACaptureForbids(t *testing.T) {
	for name, test := range map[string]struct {
		call  func(r *rig, s driver.Stream, p driver.Ptr) error
		code  int
		spoil bool
	}{
		"alloc":        {func(r *rig, _ driver.Stream, _ driver.Ptr) error { _, err := r.Alloc(kernels.Scratch, 1); return err }, driver.CodeCaptureUnsupported, true},
		"alloc host":   {func(r *rig, _ driver.Stream, _ driver.Ptr) error { _, err := r.AllocHost(kernels.Input, 1); return err }, driver.CodeCaptureUnsupported, true},
		"free":         {func(r *rig, _ driver.Stream, p driver.Ptr) error { return r.Free(p) }, driver.CodeCaptureUnsupported, true},
		"sync":         {func(r *rig, s driver.Stream, _ driver.Ptr) error { return r.Sync(s) }, driver.CodeCaptureUnsupported, true},
		"pageable in":  {func(r *rig, s driver.Stream, p driver.Ptr) error { return r.CopyIn(p, []byte{1}, s) }, driver.CodeCaptureUnsupported, true},
		"pageable out": {func(r *rig, s driver.Stream, p driver.Ptr) error { return r.CopyOut([]byte{1}, p, s) }, driver.CodeCaptureUnsupported, true},
		"begin again":  {func(r *rig, s driver.Stream, _ driver.Ptr) error { return r.BeginCapture(s) }, driver.CodeIllegalState, false},
		"wait for an event from outside": {func(r *rig, s driver.Stream, _ driver.Ptr) error {
			e := r.event()
			require.NoError(r.t, r.Record(e, 0))
			return r.Wait(s, e)
		}, driver.CodeCaptureIsolation, true},
		"wait for an event from before": {func(r *rig, s driver.Stream, _ driver.Ptr) error {
			_, err := r.EndCapture(s)
			require.NoError(r.t, err)
			e := r.event()
			require.NoError(r.t, r.Record(e, s))
			require.NoError(r.t, r.BeginCapture(s))
			return r.Wait(s, e)
		}, driver.CodeCaptureIsolation, true},
		"wait of another stream": {func(r *rig, s driver.Stream, _ driver.Ptr) error {
			e := r.event()
			require.NoError(r.t, r.Record(e, s))
			return r.Wait(0, e)
		}, driver.CodeCaptureUnsupported, true},
		"sync of an event": {func(r *rig, s driver.Stream, _ driver.Ptr) error {
			e := r.event()
			require.NoError(r.t, r.Record(e, s))
			return r.SyncEvent(e)
		}, driver.CodeCapturedEvent, false},
		"sync of another stream": {func(r *rig, s driver.Stream, _ driver.Ptr) error { return r.Sync(0) }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, Options{})
			p, s := r.alloc(4), r.stream()
			require.NoError(t, r.BeginCapture(s))
			err := test.call(r, s, p)
			if test.code == 0 {
				require.NoError(t, err)
			} else {
				requireCode(t, test.code, err)
			}
			_, err = r.EndCapture(s)
			if test.spoil {
				requireCode(t, driver.CodeCaptureInvalid, err)
			} else {
				require.NoError(t, err)
			}
			require.NoError(t, r.Failed())
			require.NoError(t, r.Sync(s), "the stream is out of the capture")
			_, err = r.EndCapture(s)
			requireCode(t, driver.CodeIllegalState, err)
		})
	}
	r := open(t, Options{})
	requireCode(t, driver.CodeCaptureUnsupported, r.BeginCapture(0))
}

func TestAFaultInAGraphLosesTheDevice(t *testing.T) {
	r := open(t, Options{})
	p, s := r.alloc(4), r.stream()
	f := r.kernel(text("trap;"))
	require.NoError(t, r.BeginCapture(s))
	r.launch(f, p, s)
	g := must[driver.Graph](r)(r.EndCapture(s))
	require.NoError(t, r.LaunchGraph(g, s))
	requireCode(t, driver.CodeLaunchFailed, r.Sync(s))
}
