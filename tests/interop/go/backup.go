package main

import (
	bolt "go.etcd.io/bbolt"
)

// copyFile writes the snapshot of a read transaction to the path.
func copyFile(p *peer, req *request) (any, error) {
	return nil, p.read(req, func(tx *bolt.Tx) error { return tx.CopyFile(req.Path, 0o600) })
}

// compact copies the database, pair by pair, into a new one at the path.
func compact(p *peer, req *request) (any, error) {
	source, err := p.db(req)
	if err != nil {
		return nil, err
	}
	target, err := openFile(req.Path, req.Options)
	if err != nil {
		return nil, err
	}
	if err := bolt.Compact(target, source, req.TxMaxSize); err != nil {
		_ = target.Close()
		return nil, err
	}
	return nil, target.Close()
}
