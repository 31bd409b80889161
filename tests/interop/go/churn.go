package main

import (
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// churning is a writer that commits until it is told to stop.
type churning struct {
	stop chan struct{}
	done chan error
	made uint64
}

// churn begins to commit, again and again, with a pause between commits. Each
// one puts the same keys, as many as the request's Count, into the bucket
// "churn", so that the whole tree moves to other pages; all values of commit n
// begin with n, and their lengths differ from commit to commit.
func churn(p *peer, req *request) (any, error) {
	db, err := p.db(req)
	if err != nil {
		return nil, err
	}
	if _, busy := p.churns[req.DB]; busy {
		return nil, fmt.Errorf("bad request: database %q churns", req.DB)
	}
	c := &churning{stop: make(chan struct{}), done: make(chan error, 1)}
	p.churns[req.DB] = c
	go func() { c.done <- c.run(db, req.Count, time.Duration(req.Milliseconds)*time.Millisecond) }()
	return nil, nil
}

func (c *churning) run(db *bolt.DB, keys int, pause time.Duration) error {
	for {
		select {
		case <-c.stop:
			return nil
		case <-time.After(pause):
		}
		if err := db.Update(func(tx *bolt.Tx) error { return c.rewrite(tx, keys) }); err != nil {
			return err
		}
	}
}

func (c *churning) rewrite(tx *bolt.Tx, keys int) error {
	c.made++
	b, err := tx.CreateBucketIfNotExists([]byte("churn"))
	if err != nil {
		return err
	}
	for i := range keys {
		value := make([]byte, 8+mix(c.made*gamma+uint64(i))%400)
		binary.BigEndian.PutUint64(value, c.made)
		if err := b.Put(binary.BigEndian.AppendUint32(nil, uint32(i)), value); err != nil {
			return err
		}
	}
	return nil
}

// calm ends what churn began and tells the number of commits.
func calm(p *peer, req *request) (any, error) {
	c, busy := p.churns[req.DB]
	if !busy {
		return nil, fmt.Errorf("bad request: database %q does not churn", req.DB)
	}
	delete(p.churns, req.DB)
	close(c.stop)
	err := <-c.done
	return map[string]any{"commits": c.made}, err
}
