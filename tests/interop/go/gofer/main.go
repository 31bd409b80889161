// Command gofer stands in for Gofer's storage in the Python tests: the engine's
// methods on the real storm and bbolt, in the versions that Gofer used. It reads
// one JSON request a line on standard input and answers on standard output.
//
//	request   {"id": 7, "op": "open", "path": "a.db", "schema": "first", "max_results_limit": 100}
//	answer    {"id": 7, "result": {...}}  or  {"id": 7, "error": "text"}
//
// One database at a time is open. A request "run" takes calls like the lines of
// a log of Gofer's: {"op": "AddRun", "req": {"Run": {...}}, "now": 1625814217000}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

type request struct {
	ID              int       `json:"id"`
	Op              string    `json:"op"`
	Path            string    `json:"path"`
	Schema          string    `json:"schema"`
	MaxResultsLimit int       `json:"max_results_limit"`
	NoSync          bool      `json:"no_sync"`
	Calls           []logLine `json:"calls"`
	Texts           [][]byte  `json:"texts"` // base64 in JSON
}

type logLine struct {
	Op  string          `json:"op"`
	Req json.RawMessage `json:"req"`
	Now int64           `json:"now"`
}

type answer struct {
	ID     int    `json:"id"`
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// peer is what outlives a request.
type peer struct{ storage *storage }

var handlers = map[string]func(p *peer, req *request) (any, error){
	"open":   open,
	"close":  closeStorage,
	"run":    run,
	"check":  check,
	"encode": encode,
}

var errClosed = errors.New("bad request: no database is open")

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	answers := json.NewEncoder(out)
	p := &peer{}
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		if err == nil {
			err = answers.Encode(serve(p, line))
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "gofer:", err)
			os.Exit(1)
		}
	}
}

func serve(p *peer, line []byte) (reply answer) {
	var req request
	defer func() {
		if problem := recover(); problem != nil {
			reply = answer{ID: req.ID, Error: fmt.Sprintf("panic: %v", problem)}
		}
	}()
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&req); err != nil {
		return answer{ID: req.ID, Error: "bad request: " + err.Error()}
	}
	handler, known := handlers[req.Op]
	if !known {
		return answer{ID: req.ID, Error: fmt.Sprintf("bad request: no operation %q", req.Op)}
	}
	result, err := handler(p, &req)
	if err != nil {
		return answer{ID: req.ID, Error: err.Error()}
	}
	return answer{ID: req.ID, Result: result}
}

func open(p *peer, req *request) (any, error) {
	if p.storage != nil {
		return nil, errors.New("bad request: a database is open")
	}
	s, known := schemas[req.Schema]
	if !known {
		return nil, fmt.Errorf("bad request: no schema %q", req.Schema)
	}
	var err error
	p.storage, err = openStorage(req.Path, s, req.MaxResultsLimit, req.NoSync)
	return struct{}{}, err
}

func closeStorage(p *peer, _ *request) (any, error) {
	if p.storage == nil {
		return nil, errClosed
	}
	db := p.storage.db
	p.storage = nil
	return struct{}{}, db.Close()
}

// run makes the calls one after the other. The seconds are those within the
// engine: requests are decoded before, results encoded after.
func run(p *peer, req *request) (any, error) {
	if p.storage == nil {
		return nil, errClosed
	}
	calls := make([]call, len(req.Calls))
	for i, line := range req.Calls {
		method, known := p.storage.methods[line.Op]
		if !known {
			return nil, fmt.Errorf("bad request: no method %q", line.Op)
		}
		var err error
		if calls[i], err = method(line.Req, line.Now); err != nil {
			return nil, fmt.Errorf("bad request: %s %s: %w", line.Op, line.Req, err)
		}
	}
	outcomes := make([]outcome, len(calls))
	begin := time.Now()
	for i, call := range calls {
		outcomes[i] = call(p.storage)
	}
	seconds := time.Since(begin).Seconds()
	return map[string]any{"seconds": seconds, "outcomes": outcomes}, nil
}

// MarshalJSON gives the error its text, or null.
func (o outcome) MarshalJSON() ([]byte, error) {
	type plain outcome // without this method
	var text *string
	if o.err != nil {
		said := o.err.Error()
		text = &said
	}
	return json.Marshal(struct {
		plain
		Error *string `json:"error"`
	}{plain(o), text})
}

// check gives the problems that bbolt's own check finds.
func check(p *peer, _ *request) (any, error) {
	if p.storage == nil {
		return nil, errClosed
	}
	problems := []string{}
	err := p.storage.db.Bolt.View(func(tx *bolt.Tx) error {
		for problem := range tx.Check() {
			problems = append(problems, problem.Error())
		}
		return nil
	})
	return map[string]any{"problems": problems}, err
}

// encode gives each text, which may be no UTF-8, as encoding/json writes it: as
// a value and as a key of a map.
func encode(_ *peer, req *request) (any, error) {
	type encoded struct {
		Value []byte `json:"value"`
		Key   []byte `json:"key"`
	}
	all := make([]encoded, len(req.Texts))
	for i, text := range req.Texts {
		value, err := json.Marshal(string(text))
		if err != nil {
			return nil, err
		}
		key, err := json.Marshal(map[string]int{string(text): 0})
		if err != nil {
			return nil, err
		}
		all[i] = encoded{value, key}
	}
	return map[string]any{"encoded": all}, nil
}
