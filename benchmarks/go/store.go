package main

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The loops of the tasks on one bucket; the twin of stores/bolt.py.

var name = []byte("bench")

func (r *run) put(batches [][]pair) error {
	for _, batch := range batches {
		err := r.update(func(b *bolt.Bucket) error {
			for _, p := range batch {
				if err := b.Put(p.key, p.value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// update runs in a write transaction, with the bucket, which is made at need.
func (r *run) update(work func(b *bolt.Bucket) error) error {
	return r.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(name)
		if err != nil {
			return err
		}
		return work(b)
	})
}

// view runs in a read transaction, with the bucket, which has to be there.
func (r *run) view(work func(b *bolt.Bucket) error) error {
	return r.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(name)
		if b == nil {
			return fmt.Errorf("the file has no bucket %q", name)
		}
		return work(b)
	})
}

// get gives the values, which are valid until the transaction ends.
func get(b *bolt.Bucket, keys [][]byte) [][]byte {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = b.Get(key)
	}
	return values
}

func (r *run) addAll(keys, values [][]byte) error {
	for i, key := range keys {
		if values[i] == nil {
			return fmt.Errorf("the key %x is missing", key)
		}
		r.sum.add(key, values[i])
	}
	return nil
}

// readBack adds all pairs of the file, also those of nested buckets.
func (r *run) readBack(db *bolt.DB) error {
	return db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(name)
		if b == nil {
			return nil
		}
		return b.ForEach(func(key, value []byte) error {
			if value != nil {
				r.sum.add(key, value)
				return nil
			}
			return b.Bucket(key).ForEach(func(key, value []byte) error {
				r.sum.add(key, value)
				return nil
			})
		})
	})
}

// prepare makes the file that a task begins with.
func prepare(r *run) error {
	if r.Prepared == "freed" {
		if err := r.free(); err != nil {
			return err
		}
		return r.put([][]pair{{r.pair(0, 0)}})
	}
	for start := 0; start < r.Count; start += r.Batch {
		if err := r.put([][]pair{r.pairs(start, min(start+r.Batch, r.Count), 0)}); err != nil {
			return err
		}
	}
	return nil
}

const (
	fillerBytes = 1 << 20
	fillersATx  = 10
)

// free leaves about r.Count free pages.
func (r *run) free() error {
	value, filler := make([]byte, fillerBytes), []byte("filler")
	fillers := max(1, r.Count*r.db.Info().PageSize/fillerBytes)
	for start := 0; start < fillers; start += fillersATx {
		err := r.db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(filler)
			for n := start; err == nil && n < min(start+fillersATx, fillers); n++ {
				err = b.Put(repeated(uint64(n), 8), value)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return r.db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(filler) })
}
