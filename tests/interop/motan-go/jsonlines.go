package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// request is one command of the orchestrator: which op, on which target, with what.
type request struct {
	ID          int64             `json:"id"`
	Op          string            `json:"op"`
	Target      target            `json:"target"`
	Attachments map[string]string `json:"attachments"`
	Threads     int               `json:"threads"`
	Calls       int               `json:"calls"`
	Method      string            `json:"method"`
	Message     string            `json:"message"`
	Bytes       int               `json:"bytes"`
	Millis      int64             `json:"millis"`
}

// target says where to call and how.
type target struct {
	Address       string `json:"address"`
	Group         string `json:"group"`
	Version       string `json:"version"`
	Serialization string `json:"serialization"`
	Timeout       int    `json:"timeout"`
	Retries       int    `json:"retries"`
	Connections   int    `json:"connections"`
	Gzip          int    `json:"gzip"`
}

type command func(request) (any, error)

// jsonLines is the control channel of every peer: one JSON object per line in, one per line out.
// Commands run side by side, so answers come in the order of completion.
type jsonLines struct {
	out      *os.File
	lock     sync.Mutex
	commands map[string]command
}

// newJSONLines takes standard output for itself: whatever else prints goes to standard error.
func newJSONLines() *jsonLines {
	out := os.Stdout
	os.Stdout = os.Stderr
	return &jsonLines{out: out, commands: map[string]command{}}
}

func (j *jsonLines) ready(facts map[string]any) {
	j.write(map[string]any{"ready": facts})
}

// serve carries out commands until standard input ends.
func (j *jsonLines) serve() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var req request
		if err := json.Unmarshal(in.Bytes(), &req); err != nil {
			return err
		}
		go func() { j.write(j.answer(req)) }()
	}
	return in.Err()
}

func (j *jsonLines) answer(req request) map[string]any {
	run := j.commands[req.Op]
	if run == nil {
		return map[string]any{"id": req.ID, "error": "no such op: " + req.Op}
	}
	result, err := run(req)
	if err != nil {
		return map[string]any{"id": req.ID, "error": failure(err)}
	}
	return map[string]any{"id": req.ID, "result": result}
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

func failure(err error) map[string]any {
	facts := map[string]any{"class": fmt.Sprintf("%T", err), "message": err.Error()}
	var told *failed
	if errors.As(err, &told) {
		facts["code"], facts["type"] = told.exception.ErrCode, told.exception.ErrType
	}
	return facts
}
