package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// peer is what outlives a request: the open databases and transactions, by the
// names that the requests gave them.
type peer struct {
	stream *json.Encoder
	dbs    map[string]*bolt.DB
	txs    map[string]*bolt.Tx
	churns map[string]*churning
}

func newPeer(stream *json.Encoder) *peer {
	return &peer{
		stream: stream,
		dbs:    map[string]*bolt.DB{},
		txs:    map[string]*bolt.Tx{},
		churns: map[string]*churning{},
	}
}

type handler func(p *peer, req *request) (any, error)

var handlers = map[string]handler{
	"open":     open,
	"close":    closeDB,
	"hold":     hold,
	"begin":    begin,
	"apply":    apply,
	"commit":   commit,
	"rollback": rollback,
	"update":   update,
	"workload": runWorkload,
	"dump":     dump,
	"check":    check,
	"stats":    stats,
	"pages":    pages,
	"copy":     copyFile,
	"compact":  compact,
	"churn":    churn,
	"calm":     calm,
}

// openOptions has the names of the Python options, so that one set of options
// can be given to both sides.
type openOptions struct {
	Timeout         float64 `json:"timeout"` // seconds
	ReadOnly        bool    `json:"read_only"`
	NoSync          bool    `json:"no_sync"`
	NoGrowSync      bool    `json:"no_grow_sync"`
	NoFreelistSync  bool    `json:"no_freelist_sync"`
	PreloadFreelist bool    `json:"preload_freelist"`
	FreelistType    string  `json:"freelist_type"`
	InitialMmapSize int     `json:"initial_mmap_size"`
	PageSize        int     `json:"page_size"`
	AllocSize       int     `json:"alloc_size"`
	Strict          bool    `json:"strict"`
}

func openFile(path string, o openOptions) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:         time.Duration(o.Timeout * float64(time.Second)),
		ReadOnly:        o.ReadOnly,
		NoSync:          o.NoSync,
		NoGrowSync:      o.NoGrowSync,
		NoFreelistSync:  o.NoFreelistSync,
		PreLoadFreelist: o.PreloadFreelist,
		FreelistType:    bolt.FreelistType(o.FreelistType),
		InitialMmapSize: o.InitialMmapSize,
		PageSize:        o.PageSize,
	})
	if err != nil {
		return nil, err
	}
	db.StrictMode = o.Strict
	if o.AllocSize != 0 {
		db.AllocSize = o.AllocSize
	}
	return db, nil
}

func open(p *peer, req *request) (any, error) {
	if _, taken := p.dbs[req.DB]; taken {
		return nil, fmt.Errorf("bad request: database %q is open", req.DB)
	}
	db, err := openFile(req.Path, req.Options)
	if err != nil {
		return nil, err
	}
	p.dbs[req.DB] = db
	return map[string]any{"page_size": db.Info().PageSize}, nil
}

// hold opens the file, answers, and closes it when the time is over.
func hold(_ *peer, req *request) (any, error) {
	db, err := openFile(req.Path, req.Options)
	if err != nil {
		return nil, err
	}
	go func() {
		time.Sleep(time.Duration(req.Milliseconds) * time.Millisecond)
		if err := db.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "hold:", err)
		}
	}()
	return nil, nil
}

func (p *peer) db(req *request) (*bolt.DB, error) {
	if db, known := p.dbs[req.DB]; known {
		return db, nil
	}
	return nil, fmt.Errorf("bad request: no database %q", req.DB)
}

func (p *peer) tx(req *request) (*bolt.Tx, error) {
	if tx, known := p.txs[req.Tx]; known {
		return tx, nil
	}
	return nil, fmt.Errorf("bad request: no transaction %q", req.Tx)
}

// read runs fn in the transaction that the request names, or in a new read
// transaction on its database.
func (p *peer) read(req *request, fn func(tx *bolt.Tx) error) error {
	if req.Tx != "" {
		tx, err := p.tx(req)
		if err != nil {
			return err
		}
		return fn(tx)
	}
	db, err := p.db(req)
	if err != nil {
		return err
	}
	return db.View(fn)
}

func closeDB(p *peer, req *request) (any, error) {
	db, err := p.db(req)
	if err != nil {
		return nil, err
	}
	for name, tx := range p.txs {
		if tx.DB() == db { // Close would wait for it for ever
			_ = tx.Rollback()
			delete(p.txs, name)
		}
	}
	delete(p.dbs, req.DB)
	return nil, db.Close()
}

func begin(p *peer, req *request) (any, error) {
	db, err := p.db(req)
	if err != nil {
		return nil, err
	}
	if _, taken := p.txs[req.Tx]; taken || req.Tx == "" {
		return nil, fmt.Errorf("bad request: transaction name %q", req.Tx)
	}
	tx, err := db.Begin(req.Writable)
	if err != nil {
		return nil, err
	}
	p.txs[req.Tx] = tx
	return map[string]any{"txid": tx.ID()}, nil
}

func apply(p *peer, req *request) (any, error) {
	tx, err := p.tx(req)
	if err != nil {
		return nil, err
	}
	return map[string]any{"outcomes": applyAll(tx, req.Operations)}, nil
}

func commit(p *peer, req *request) (any, error) {
	tx, err := p.tx(req)
	if err != nil {
		return nil, err
	}
	delete(p.txs, req.Tx)
	return nil, tx.Commit()
}

func rollback(p *peer, req *request) (any, error) {
	tx, err := p.tx(req)
	if err != nil {
		return nil, err
	}
	delete(p.txs, req.Tx)
	return nil, tx.Rollback()
}

// update is begin, apply and commit in one request, or rollback with "discard".
func update(p *peer, req *request) (any, error) {
	db, err := p.db(req)
	if err != nil {
		return nil, err
	}
	tx, err := db.Begin(true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after a commit this is a no-op
	txid := tx.ID()
	outcomes := applyAll(tx, req.Operations)
	if req.Discard {
		return map[string]any{"txid": txid, "outcomes": outcomes}, nil
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	return map[string]any{"txid": txid, "outcomes": outcomes}, nil
}
