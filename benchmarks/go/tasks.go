package main

// The twins of the tasks in tasks.py: writing.go, copying.go, reading.go and at_once.go have them.

var tasks = map[string]func(r *run) error{
	"put":               putAll,
	"put_many":          putAll, // bbolt has no call for many
	"put_stream":        putStream,
	"replace":           replace,
	"replace_many":      replace,
	"delete":            deleteKeys,
	"mixed":             mixed,
	"nested":            nested,
	"drop":              drop,
	"compact":           compact,
	"backup":            backup,
	"get":               getAll,
	"get_tx":            getTx,
	"get_many":          getAll,
	"scan":              scan,
	"seek":              seek,
	"open_get":          openGet,
	"open_put":          openPut,
	"get_threads":       getThreads,
	"get_busy":          getBusy,
	"batched":           batched,
	"put_beside_reader": putBesideReader,
}
