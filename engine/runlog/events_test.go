package runlog

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// decoded is one Event, read by the specification and not by the writer's code.
type decoded struct {
	wallTime    float64
	step        int64
	fileVersion string
	scalars     map[string]float32
	start       bool
}

// field is one protobuf field: its number and its value by wire type.
type field struct {
	number uint64
	varint uint64
	bytes  []byte
}

func protobuf(t *testing.T, raw []byte) (fields []field) {
	for len(raw) > 0 {
		key, n := binary.Uvarint(raw)
		require.Positive(t, n)
		raw = raw[n:]
		f := field{number: key >> 3}
		size := 0
		switch key & 7 {
		case 0:
			f.varint, n = binary.Uvarint(raw)
			require.Positive(t, n)
			raw = raw[n:]
		case 1:
			size = 8
		case 2:
			length, n := binary.Uvarint(raw)
			require.Positive(t, n)
			raw, size = raw[n:], int(length)
		case 5:
			size = 4
		default:
			t.Fatalf("wire type %d", key&7)
		}
		f.bytes, raw = raw[:size], raw[size:]
		fields = append(fields, f)
	}
	return fields
}

// records splits a TFRecord file and checks both checksums of each record.
func records(t *testing.T, raw []byte) (out [][]byte) {
	unmask := func(masked uint32) uint32 {
		rotated := masked - 0xa282ead8
		return rotated>>17 | rotated<<15
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	for len(raw) > 0 {
		length := binary.LittleEndian.Uint64(raw)
		require.Equal(t, crc32.Checksum(raw[:8], table), unmask(binary.LittleEndian.Uint32(raw[8:])))
		data := raw[12 : 12+length]
		require.Equal(t, crc32.Checksum(data, table), unmask(binary.LittleEndian.Uint32(raw[12+length:])))
		out, raw = append(out, data), raw[16+length:]
	}
	return out
}

func decode(t *testing.T, record []byte) decoded {
	d := decoded{scalars: map[string]float32{}}
	for _, f := range protobuf(t, record) {
		switch f.number {
		case 1:
			d.wallTime = math.Float64frombits(binary.LittleEndian.Uint64(f.bytes))
		case 2:
			d.step = int64(f.varint)
		case 3:
			d.fileVersion = string(f.bytes)
		case 5:
			for _, value := range protobuf(t, f.bytes) {
				require.EqualValues(t, 1, value.number)
				var tag string
				var scalar float32
				for _, part := range protobuf(t, value.bytes) {
					switch part.number {
					case 1:
						tag = string(part.bytes)
					case 2:
						scalar = math.Float32frombits(binary.LittleEndian.Uint32(part.bytes))
					}
				}
				d.scalars[tag] = scalar
			}
		case 7:
			d.start = protobuf(t, f.bytes)[0].varint == 1
		}
	}
	return d
}

func TestEventsDecodeToWhatWasLogged(t *testing.T) {
	dir := t.TempDir()
	at := time.UnixMicro(1_700_000_000_250_000)
	e, err := openEvents(dir, 0, "host", func() time.Time { return at })
	require.NoError(t, err)
	s := trained(0)
	s.GlobalStep, s.Epoch = 300, 0.5
	require.NoError(t, e.Log(s.Log(Metric{"loss", 1.5}, Metric{"grad_norm", math.Inf(1)}, Metric{"learning_rate", 2e-5})))
	require.NoError(t, e.Log(s.Log(Metric{"eval_loss", 1.25}, Metric{"test_accuracy", 1})))
	require.NoError(t, e.Close())

	names, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	require.Len(t, names, 1)
	require.Regexp(t, regexp.MustCompile(`^events\.out\.tfevents\.1700000000\.host\.\d+\.\d+$`), filepath.Base(names[0]))
	raw, err := os.ReadFile(names[0])
	require.NoError(t, err)
	got := records(t, raw)
	require.Len(t, got, 3)
	first := decode(t, got[0])
	require.Equal(t, "brain.Event:2", first.fileVersion)
	require.Equal(t, decoded{1700000000.25, 300, "", map[string]float32{
		"train/loss": 1.5, "train/grad_norm": float32(math.Inf(1)), "train/learning_rate": 2e-5, "train/epoch": 0.5}, false}, decode(t, got[1]))
	require.Equal(t, map[string]float32{"eval/loss": 1.25, "test/accuracy": 1, "train/epoch": 0.5}, decode(t, got[2]).scalars)
}

func TestResumedEventsTellTensorBoardToForgetLaterSteps(t *testing.T) {
	dir := t.TempDir()
	at := func() time.Time { return time.Unix(1_700_000_000, 0) }
	e, err := openEvents(dir, 20, "host", at)
	require.NoError(t, err)
	require.NoError(t, e.Close())
	second, err := openEvents(dir, 0, "host", at)
	require.NoError(t, err, "two writers of one second have two files")
	require.NoError(t, second.Close())
	names, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	require.Len(t, names, 2)
	raw, err := os.ReadFile(names[0])
	require.NoError(t, err)
	got := records(t, raw)
	require.Len(t, got, 2)
	session := decode(t, got[1])
	require.True(t, session.start)
	require.EqualValues(t, 21, session.step)
}

func TestMaskedCRCOfKnownBytes(t *testing.T) {
	// CRC-32C of "123456789" is 0xe3069283 in the literature; masked by hand.
	require.Equal(t, uint32(0xc78ab0e5), maskedCRC([]byte("123456789")))
}
