package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// command is one command of the orchestrator: which op, on a connection of which kind, with what.
type command struct {
	ID           int64             `json:"id"`
	Op           string            `json:"op"`
	Kind         string            `json:"kind"`
	Port         int               `json:"port"`
	Zlib         bool              `json:"zlib"`
	Service      string            `json:"service"`
	Method       string            `json:"method"`
	Again        string            `json:"again"`
	Text         string            `json:"text"`
	Headers      map[string]string `json:"headers"`
	Times        int               `json:"times"`
	Threads      int               `json:"threads"`
	Calls        int               `json:"calls"`
	Milliseconds int32             `json:"milliseconds"`
}

// jsonLines is the control channel of every peer: one JSON object per line in, one per line out.
// Commands run side by side, so answers come in the order of completion.
type jsonLines struct {
	out  *os.File
	lock sync.Mutex
}

// newJSONLines takes standard output for itself: whatever else prints goes to standard error.
func newJSONLines() *jsonLines {
	out := os.Stdout
	os.Stdout = os.Stderr
	return &jsonLines{out: out}
}

// serve tells that this peer is ready, and carries out commands until standard input ends.
func (j *jsonLines) serve(carryOut func(command) (any, error)) error {
	j.write(map[string]any{"ready": map[string]any{}})
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var told command
		if err := json.Unmarshal(in.Bytes(), &told); err != nil {
			return err
		}
		go func() {
			result, err := carryOut(told)
			if err != nil {
				j.write(map[string]any{"id": told.ID, "error": fmt.Sprintf("%T: %v", err, err)})
				return
			}
			j.write(map[string]any{"id": told.ID, "result": result})
		}()
	}
	return in.Err()
}

func (j *jsonLines) write(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		line, _ = json.Marshal(map[string]any{"error": err.Error()})
	}
	j.lock.Lock()
	defer j.lock.Unlock()
	fmt.Fprintf(j.out, "%s\n", line)
}
