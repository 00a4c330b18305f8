package runlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Events appends scalars to a TensorBoard event file. It is not safe for
// concurrent use.
//
// The file is a sequence of TFRecords, each a protobuf Event. Both forms are
// small and frozen, so they are written by hand here:
//
//	record   uint64 length, uint32 masked CRC-32C of the length,
//	         length bytes, uint32 masked CRC-32C of them; little-endian
//	Event    1 wall_time double, 2 step int64, 3 file_version string,
//	         5 summary Summary, 7 session_log SessionLog
//	Summary  1 value Value, repeated; Value: 1 tag string, 2 simple_value float
//	SessionLog  1 status enum, START = 1
type Events struct {
	f   *os.File
	now func() time.Time
}

// eventFiles numbers the files of one process, as TensorBoard's writers do.
var eventFiles atomic.Int64

// OpenEvents creates an event file of its own in dir, which must exist, for a
// run that starts or resumes after step optimizer steps. On a resume TensorBoard
// is told to forget what earlier files of dir say of later steps.
func OpenEvents(dir string, step int) (*Events, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return openEvents(dir, step, host, time.Now)
}

func openEvents(dir string, step int, host string, now func() time.Time) (*Events, error) {
	name := fmt.Sprintf("events.out.tfevents.%d.%s.%d.%d", now().Unix(), host, os.Getpid(), eventFiles.Add(1)-1)
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open TensorBoard events: %w", err)
	}
	e := &Events{f, now}
	err = e.append(appendString(e.event(0), 3, "brain.Event:2"))
	if err == nil && step > 0 {
		const statusStart = 1
		session := appendVarint(nil, 1, statusStart)
		err = e.append(appendBytes(e.event(step+1), 7, session))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return e, nil
}

// Log writes the metrics of a log entry at its step under transformers' tags:
// train/loss, train/learning_rate, eval/loss, ... The key step is the abscissa
// and no metric of its own.
func (e *Events) Log(entry Entry) error {
	var summary []byte
	for _, m := range entry {
		if m.Name == "step" {
			continue
		}
		value := appendString(nil, 1, Tag(m.Name))
		value = appendFloat(value, 2, float32(m.Value))
		summary = appendBytes(summary, 1, value)
	}
	return e.append(appendBytes(e.event(entry.Step()), 5, summary))
}

// Tag returns the TensorBoard tag of a log_history key, as transformers
// rewrites it: eval_loss is eval/loss, test_loss is test/loss, all else is
// under train/.
func Tag(key string) string {
	for _, split := range []string{"eval", "test"} {
		if rest, found := strings.CutPrefix(key, split+"_"); found {
			return split + "/" + rest
		}
	}
	return "train/" + key
}

// Close makes the file durable and closes it.
func (e *Events) Close() error { return errors.Join(e.f.Sync(), e.f.Close()) }

// event starts an Event with the time and the step.
func (e *Events) event(step int) []byte {
	seconds := float64(e.now().UnixMicro()) / 1e6
	event := appendKey(nil, 1, wireFixed64)
	event = binary.LittleEndian.AppendUint64(event, math.Float64bits(seconds))
	return appendVarint(event, 2, uint64(step))
}

// append writes one record in one call, so that a crash cuts off at most the
// last one.
func (e *Events) append(event []byte) error {
	record := binary.LittleEndian.AppendUint64(nil, uint64(len(event)))
	record = binary.LittleEndian.AppendUint32(record, maskedCRC(record))
	record = append(record, event...)
	record = binary.LittleEndian.AppendUint32(record, maskedCRC(event))
	if _, err := e.f.Write(record); err != nil {
		return fmt.Errorf("append TensorBoard event: %w", err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is TFRecord's checksum: CRC-32C, rotated and shifted so that the
// checksum of data that holds checksums stays a good one.
func maskedCRC(data []byte) uint32 {
	crc := crc32.Checksum(data, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// Wire types of protobuf fields.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func appendKey(to []byte, field, wire uint64) []byte {
	return binary.AppendUvarint(to, field<<3|wire)
}

func appendVarint(to []byte, field, v uint64) []byte {
	return binary.AppendUvarint(appendKey(to, field, wireVarint), v)
}

func appendFloat(to []byte, field uint64, v float32) []byte {
	return binary.LittleEndian.AppendUint32(appendKey(to, field, wireFixed32), math.Float32bits(v))
}

func appendBytes(to []byte, field uint64, v []byte) []byte {
	return append(binary.AppendUvarint(appendKey(to, field, wireBytes), uint64(len(v))), v...)
}

func appendString(to []byte, field uint64, v string) []byte { return appendBytes(to, field, []byte(v)) }
