package main

import (
	"os"

	bolt "go.etcd.io/bbolt"
)

// compact counts the closing of the copy too, as the other peers have it.
func compact(r *run) error {
	path := r.Path + ".compact"
	defer os.Remove(path)
	err := r.timed(r.Ops, func() error {
		dense, err := r.open(path)
		if err != nil {
			return err
		}
		if err := bolt.Compact(dense, r.db, 65536); err != nil {
			dense.Close()
			return err
		}
		return dense.Close()
	})
	if err != nil {
		return err
	}
	return r.readBackFrom(path)
}

// backup brings the copy to the disk, which bbolt's own calls leave to their caller.
func backup(r *run) error {
	path := r.Path + ".backup"
	defer os.Remove(path)
	err := r.timed(r.Ops, func() error {
		return r.db.View(func(tx *bolt.Tx) error {
			file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return err
			}
			if _, err = tx.WriteTo(file); err == nil {
				err = file.Sync()
			}
			if closing := file.Close(); err == nil {
				err = closing
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	return r.readBackFrom(path)
}

// readBackFrom adds all pairs of a copy.
func (r *run) readBackFrom(path string) error {
	copied, err := r.open(path)
	if err != nil {
		return err
	}
	defer copied.Close()
	return r.readBack(copied)
}
