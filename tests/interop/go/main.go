// Command interop drives bbolt for the Python tests. It reads one JSON request
// a line on standard input and answers on standard output; one process serves
// any number of requests, one after the other, and may hold several databases
// open at once.
//
//	request   {"id": 7, "op": "check", "db": "a"}
//	answer    {"id": 7, "result": {...}}  or  {"id": 7, "error": "text"}
//
// Between a dump request and its answer come lines {"id": 7, "item": {...}}.
// Keys, values and bucket names travel as hex. A request that cannot be served,
// or that makes bbolt panic, is answered with an error; the process goes on.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// hexBytes is a byte string that is hex in JSON. It is never nil once decoded,
// because bbolt tells a nil value from an empty one within a transaction.
type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	decoded, err := hex.DecodeString(text)
	if err != nil {
		return err
	}
	*h = append([]byte{}, decoded...)
	return nil
}

func (h hexBytes) MarshalJSON() ([]byte, error) {
	return json.Marshal(hex.EncodeToString(h))
}

type request struct {
	ID           int         `json:"id"`
	Op           string      `json:"op"`
	DB           string      `json:"db"`
	Tx           string      `json:"tx"`
	Path         string      `json:"path"`
	Options      openOptions `json:"options"`
	Writable     bool        `json:"writable"`
	Discard      bool        `json:"discard"`
	Operations   []operation `json:"operations"`
	Workload     *workload   `json:"workload"`
	Bucket       []hexBytes  `json:"bucket"`
	Items        bool        `json:"items"`
	Milliseconds int         `json:"milliseconds"`
	TxMaxSize    int64       `json:"tx_max_size"`
	Count        int         `json:"count"`
}

type answer struct {
	ID     int    `json:"id"`
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

func main() {
	debug.SetPanicOnFault(true) // a damaged file must not end the process
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	peer := newPeer(json.NewEncoder(out))
	for {
		line, err := in.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if err := peer.stream.Encode(serve(peer, line)); err != nil {
				fmt.Fprintln(os.Stderr, "answer:", err)
				os.Exit(1)
			}
			out.Flush()
		}
		if err == io.EOF {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "request:", err)
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
	if result == nil {
		result = struct{}{}
	}
	return answer{ID: req.ID, Result: result}
}
