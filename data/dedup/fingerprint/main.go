// Command fingerprint writes the hashes of the questions of an evaluation, sorted, 8 bytes
// each: what package dedup embeds of a test split that it knows.
//
//	go run ./data/dedup/fingerprint gsm8k/test.jsonl data/dedup/known/gsm8k-test.bin
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"retort/data"
	"retort/data/dedup"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fingerprint:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("give a row file and the file to write")
	}
	rows, err := data.ReadRows(args[0])
	if err != nil {
		return err
	}
	var hashes []uint64
	for _, row := range rows {
		for _, question := range row.Questions() {
			hashes = append(hashes, dedup.QuestionHash(question))
		}
	}
	slices.Sort(hashes)
	var out []byte
	for _, h := range slices.Compact(hashes) {
		out = binary.LittleEndian.AppendUint64(out, h)
	}
	return os.WriteFile(args[1], out, 0o644)
}
