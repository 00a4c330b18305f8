package emu

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"retort/kernels/cuda/driver"
)

// read syncs s and returns the byte at p, through another stream's copy.
func (r *rig) read(p driver.Ptr, s driver.Stream) byte {
	r.t.Helper()
	require.NoError(r.t, r.Sync(s))
	out := []byte{0}
	require.NoError(r.t, r.CopyOut(out, p, s))
	return out[0]
}

func TestPageLockedMemoryIsReadWhenTheStreamGetsThere(t *testing.T) {
	r := open(t, Options{})
	p, s, host := r.alloc(8), r.stream(), r.host(8)
	require.Equal(t, bytes.Repeat([]byte{0xff}, 8), host, "what nobody wrote is no number")
	host[0], host[4] = 1, 1
	require.NoError(t, r.CopyIn(p, host[:4], s))
	host[0] = 2 // too early
	require.Equal(t, byte(2), r.read(p, s), "the early overwrite is seen")

	require.NoError(t, r.CopyIn(p, host[4:], s))
	require.NoError(t, r.Sync(s))
	host[4] = 2
	require.Equal(t, byte(1), r.read(p, s), "after a sync the host may write")

	ordinary := []byte{3}
	require.NoError(t, r.CopyIn(p, ordinary, s))
	ordinary[0] = 4
	require.Equal(t, byte(3), r.read(p, s), "ordinary memory is read at once")

	host[0] = 9
	require.NoError(t, r.CopyOut(host[:1], p, s))
	require.Equal(t, byte(9), host[0], "not there before a sync")
	require.NoError(t, r.Sync(s))
	require.Equal(t, byte(3), host[0])
}

func TestArgumentsAreReadAtOnce(t *testing.T) {
	r := open(t, Options{})
	f, p, q := r.kernel(increment), r.alloc(4), r.alloc(4)
	require.NoError(t, r.Fill(p, 0, 4, 0))
	require.NoError(t, r.Fill(q, 0, 4, 0))
	r.launch(f, p, 0)
	r.launch(f, q, 0) // in the same block of arguments
	require.Equal(t, []byte{1, 1}, []byte{r.read(p, 0), r.read(q, 0)})
}

func TestStreamsAreOrderedByEventsAlone(t *testing.T) {
	for name, test := range map[string]struct {
		between func(r *rig, producer, consumer driver.Stream)
		want    byte
	}{
		"an event": {func(r *rig, producer, consumer driver.Stream) {
			e := r.event()
			require.NoError(r.t, r.Record(e, producer))
			require.NoError(r.t, r.Wait(consumer, e))
		}, 7},
		"an event through a third stream": {func(r *rig, producer, consumer driver.Stream) {
			third, a, b := r.stream(), r.event(), r.event()
			require.NoError(r.t, r.Record(a, producer))
			require.NoError(r.t, r.Wait(third, a))
			require.NoError(r.t, r.Record(b, third))
			require.NoError(r.t, r.Wait(consumer, b))
			require.NoError(r.t, r.FreeEvent(b))
		}, 7},
		"no wait": {func(r *rig, producer, _ driver.Stream) {
			require.NoError(r.t, r.Record(r.event(), producer))
		}, 1},
		"a wait for an event that nothing recorded": {func(r *rig, _, consumer driver.Stream) {
			require.NoError(r.t, r.Wait(consumer, r.event()))
		}, 1},
		"a wait before the record": {func(r *rig, producer, consumer driver.Stream) {
			e := r.event()
			require.NoError(r.t, r.Wait(consumer, e))
			require.NoError(r.t, r.Record(e, producer))
		}, 1},
		"a sync of the host": {func(r *rig, producer, _ driver.Stream) {
			e := r.event()
			require.NoError(r.t, r.Record(e, producer))
			require.NoError(r.t, r.SyncEvent(e))
		}, 7},
		"the producer was freed": {func(r *rig, producer, _ driver.Stream) {
			require.NoError(r.t, r.FreeStream(producer))
		}, 7},
	} {
		// The consumer is synchronised, or everything runs because memory is freed.
		for _, finish := range []func(*rig, driver.Stream){
			func(r *rig, consumer driver.Stream) { require.NoError(r.t, r.Sync(consumer)) },
			func(r *rig, _ driver.Stream) { require.NoError(r.t, r.Free(r.alloc(1))) },
		} {
			t.Run(name, func(t *testing.T) {
				r := open(t, Options{})
				p, out, producer, consumer := r.alloc(4), r.alloc(4), r.stream(), r.stream()
				require.NoError(t, r.Fill(p, 1, 4, 0))
				require.NoError(t, r.Sync(0))
				require.NoError(t, r.Fill(p, 7, 4, producer))
				test.between(r, producer, consumer)
				require.NoError(t, r.Copy(out, p, 4, consumer))
				finish(r, consumer)
				require.Equal(t, test.want, r.read(out, consumer))
			})
		}
	}
}

func TestAnEventRecordedAgainStandsForTheLaterMark(t *testing.T) {
	r := open(t, Options{})
	p, s, e := r.alloc(4), r.stream(), r.event()
	for i := range byte(3) {
		require.NoError(t, r.Fill(p, i, 4, s))
		require.NoError(t, r.Record(e, s))
	}
	require.NoError(t, r.Fill(p, 9, 4, s))
	require.NoError(t, r.SyncEvent(e))
	require.Equal(t, byte(2), r.read(p, 0), "another stream sees what ran up to the event, and no more")
}

func TestALongQueueRunsByItself(t *testing.T) {
	r := open(t, Options{})
	p, s := r.alloc(maxHeldBytes/2), r.stream()
	queue := func(h driver.Stream, n int, do func() error) {
		for range n {
			require.NoError(t, do())
		}
	}
	require.NoError(t, r.Fill(p, 0, 4, s))
	require.NoError(t, r.Sync(s))
	queue(s, maxPending-1, func() error { return r.Fill(p, 5, 1, s) })
	require.Equal(t, byte(0), r.read(p, 0))
	queue(s, 1, func() error { return r.Fill(p, 6, 1, s) })
	require.Equal(t, byte(6), r.read(p, 0), "entries")

	large := bytes.Repeat([]byte{7}, maxHeldBytes/2)
	require.NoError(t, r.CopyIn(p, large, s))
	require.Equal(t, byte(6), r.read(p, 0))
	require.NoError(t, r.CopyIn(p, large, s))
	require.Equal(t, byte(7), r.read(p, 0), "copied host memory")
	require.NoError(t, r.Fill(p, 8, 1, s))
	require.Equal(t, byte(7), r.read(p, 0), "what has run holds nothing")
}

func TestTimeIsThatOfTheWork(t *testing.T) {
	r := open(t, Options{})
	p, begin, middle, end := r.alloc(4), r.event(), r.event(), r.event()
	_, err := r.Elapsed(begin, end)
	requireCode(t, driver.CodeInvalidHandle, err)
	require.NoError(t, r.Record(begin, 0))
	require.NoError(t, r.Record(middle, 0))
	require.NoError(t, r.Fill(p, 0, 4, 0))
	r.launch(r.kernel(increment), p, 0)
	require.NoError(t, r.Record(end, 0))
	_, err = r.Elapsed(begin, end)
	requireCode(t, driver.CodeNotReady, err)
	require.NoError(t, r.Sync(0))
	none, err := r.Elapsed(begin, middle)
	require.NoError(t, err)
	require.Zero(t, none)
	some, err := r.Elapsed(begin, end)
	require.NoError(t, err)
	require.Positive(t, some)
	require.NoError(t, r.Record(end, 0))
	require.NoError(t, r.SyncEvent(end))
	_, err = r.Elapsed(begin, end)
	require.NoError(t, err, "an event that the host waited for has passed")
	untimed, err := r.NewEvent(false)
	require.NoError(t, err)
	require.NoError(t, r.Record(untimed, 0))
	_, err = r.Elapsed(begin, untimed)
	requireCode(t, driver.CodeInvalidHandle, err)
}

func TestGivingBackWaitsForQueuedWork(t *testing.T) {
	r := open(t, Options{})
	p, q, s, host := r.alloc(4), r.alloc(4), r.stream(), r.host(4)
	f := r.kernel(increment)
	host[0], host[1], host[2], host[3] = 1, 0, 0, 0
	require.NoError(t, r.CopyIn(p, host, s))
	require.NoError(t, r.FreeHost(host))
	host[0] = 9 // gone: the copy is over
	r.launch(f, p, s)
	require.NoError(t, r.Copy(q, p, 4, s))
	require.NoError(t, r.Free(p))
	require.Equal(t, byte(2), r.read(q, 0))
	require.NoError(t, r.Fill(q, 3, 4, s))
	require.NoError(t, r.FreeStream(s))
	require.Equal(t, byte(3), r.read(q, 0))
}
