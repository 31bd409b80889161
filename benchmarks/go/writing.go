package main

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

func (j *job) pairs(start, stop int, version uint64) []pair {
	pairs := make([]pair, 0, stop-start)
	for n := start; n < stop; n++ {
		pairs = append(pairs, j.pair(n, version))
	}
	return pairs
}

func (j *job) batches(start, stop int) [][]pair {
	var batches [][]pair
	for ; start < stop; start += j.Batch {
		batches = append(batches, j.pairs(start, min(start+j.Batch, stop), 0))
	}
	return batches
}

// replacements are pairs that are there, with new values.
func (j *job) replacements() [][]pair {
	var batches [][]pair
	for turn := range j.Ops {
		if turn%j.Batch == 0 {
			batches = append(batches, nil)
		}
		last := len(batches) - 1
		batches[last] = append(batches[last], j.pair(j.chosen(turn), 1))
	}
	return batches
}

func (j *job) chosenKeys(start, stop int) [][]byte {
	keys := make([][]byte, 0, stop-start)
	for turn := start; turn < stop; turn++ {
		keys = append(keys, j.key(j.chosen(turn)))
	}
	return keys
}

func putAll(r *run) error {
	batches := r.batches(0, r.Count)
	if err := r.timed(r.Count, func() error { return r.put(batches) }); err != nil {
		return err
	}
	return r.readBack(r.db)
}

// putStream has no pair before it is needed.
func putStream(r *run) error {
	err := r.timed(r.Count, func() error {
		for start := 0; start < r.Count; start += r.Batch {
			err := r.update(func(b *bolt.Bucket) error {
				for n := start; n < min(start+r.Batch, r.Count); n++ {
					p := r.pair(n, 0)
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
	})
	if err != nil {
		return err
	}
	return r.readBack(r.db)
}

func replace(r *run) error {
	batches := r.replacements()
	if err := r.timed(r.Ops, func() error { return r.put(batches) }); err != nil {
		return err
	}
	return r.readBack(r.db)
}

func deleteKeys(r *run) error {
	batches := r.batches(0, r.Ops)
	err := r.timed(r.Ops, func() error {
		for _, batch := range batches {
			err := r.update(func(b *bolt.Bucket) error {
				for _, p := range batch {
					if err := b.Delete(p.key); err != nil {
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
	})
	if err != nil {
		return err
	}
	return r.readBack(r.db)
}

func mixed(r *run) error {
	batches, wanted := r.replacements(), r.chosenKeys(r.Ops, 2*r.Ops)
	got := make([][]byte, 0, r.Ops)
	err := r.timed(2*r.Ops, func() error {
		for _, batch := range batches {
			err := r.update(func(b *bolt.Bucket) error {
				for _, p := range batch {
					// A value is valid until the transaction changes its page.
					got = append(got, append([]byte{}, b.Get(wanted[len(got)])...))
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
	})
	if err == nil {
		err = r.addAll(wanted, got)
	}
	if err != nil {
		return err
	}
	r.sum.pairs = 0
	return r.readBack(r.db)
}

func nested(r *run) error {
	type child struct {
		name  []byte
		pairs []pair
	}
	var children []child
	for start := 0; start < r.Count; start += r.Span {
		number := binary.BigEndian.AppendUint64(nil, uint64(start))
		children = append(children, child{number, r.pairs(start, min(start+r.Span, r.Count), 0)})
	}
	aTx := max(1, r.Batch/r.Span)
	err := r.timed(r.Count, func() error {
		for at := 0; at < len(children); at += aTx {
			err := r.update(func(parent *bolt.Bucket) error {
				for _, child := range children[at:min(at+aTx, len(children))] {
					b, err := parent.CreateBucket(child.name)
					if err != nil {
						return err
					}
					for _, p := range child.pairs {
						if err := b.Put(p.key, p.value); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.readBack(r.db)
}

func drop(r *run) error {
	err := r.timed(r.Ops, func() error {
		return r.db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(name) })
	})
	if err != nil {
		return err
	}
	return r.readBack(r.db)
}
