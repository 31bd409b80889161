// Command benchmarks is bbolt's side of the benchmarks: it reads one job as JSON
// on standard input, does it, and answers with what it measured. The jobs, the
// tasks and the data are those of job.py, tasks.py and data.py.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

type job struct {
	Task     string  `json:"task"`
	Keys     int     `json:"keys"`
	Values   int     `json:"values"`
	Spread   int     `json:"spread"`
	Count    int     `json:"count"`
	Ops      int     `json:"ops"`
	Batch    int     `json:"batch"`
	Span     int     `json:"span"`
	Order    string  `json:"order"`
	Sync     bool    `json:"sync"`
	Threads  int     `json:"threads"`
	Seed     uint64  `json:"seed"`
	Least    float64 `json:"least_seconds"`
	Prepared string  `json:"prepared"`
	Path     string  `json:"path"`
	Mode     string  `json:"mode"`
	Store    string  `json:"store"`
}

type answer struct {
	Seconds     float64           `json:"seconds"`
	Operations  int               `json:"operations"`
	Pairs       int               `json:"pairs"`
	Checksum    uint32            `json:"checksum"`
	Versions    map[string]string `json:"versions"`
	Unsupported string            `json:"unsupported"`
}

// run is a job under way: its open file and its clock.
type run struct {
	job
	db      *bolt.DB
	seconds float64
	ops     int
	sum     sum
}

func main() {
	var r run
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&r.job)
	if err == nil {
		err = r.do()
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer{
			Seconds: r.seconds, Operations: r.ops, Pairs: r.sum.pairs, Checksum: r.sum.crc, Versions: versions(),
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func (r *run) do() (err error) {
	work, known := tasks[r.Task]
	if !known {
		return fmt.Errorf("there is no task %q", r.Task)
	}
	if r.Mode == "prepare" {
		work = prepare
	}
	if r.db, err = r.open(r.Path); err != nil {
		return err
	}
	if err = work(r); err != nil {
		return err
	}
	return r.db.Close()
}

// open uses the options that the peer in Python uses. A reader that stays open
// would block bbolt's writer when the file outgrows its map, so that one task
// begins with a map that is large enough.
func (r *run) open(path string) (*bolt.DB, error) {
	options := *bolt.DefaultOptions
	options.NoSync = !r.Sync
	options.NoGrowSync = !r.Sync
	if r.Task == "put_beside_reader" {
		options.InitialMmapSize = 1 << 32
	}
	return bolt.Open(path, 0o600, &options)
}

// timed does the work, again and again for the least time of the workload, and
// counts its mean time.
func (r *run) timed(operations int, work func() error) error {
	runtime.GC()
	begun := time.Now()
	err := work()
	spent, times := time.Since(begun).Seconds(), 1
	for err == nil && spent < r.Least {
		err = work()
		spent, times = time.Since(begun).Seconds(), times+1
	}
	r.seconds += spent / float64(times)
	r.ops += operations
	return err
}

func versions() map[string]string {
	found := map[string]string{"go": runtime.Version()}
	if info, known := debug.ReadBuildInfo(); known {
		for _, module := range info.Deps {
			if module.Path == "go.etcd.io/bbolt" {
				found["bbolt"] = module.Version
			}
		}
	}
	return found
}
