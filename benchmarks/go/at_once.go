package main

import (
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// shares deals things to threads, as _shares in tasks.py does.
func shares[T any](things []T, threads int) [][]T {
	dealt := make([][]T, threads)
	for i, thing := range things {
		dealt[i%threads] = append(dealt[i%threads], thing)
	}
	return dealt
}

// atOnce works on each part in a goroutine of its own.
func atOnce(parts int, work func(part int) error) error {
	errs := make([]error, parts)
	var group sync.WaitGroup
	for part := range parts {
		group.Go(func() { errs[part] = work(part) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func getThreads(r *run) error {
	keys := shares(r.chosenKeys(0, r.Ops), r.Threads)
	tx, err := r.db.Begin(false) // keeps the values valid
	if err != nil {
		return err
	}
	defer tx.Rollback()
	got := make([][][]byte, r.Threads)
	err = r.timed(r.Ops, func() error {
		return atOnce(r.Threads, func(part int) error {
			return r.view(func(b *bolt.Bucket) error {
				got[part] = get(b, keys[part])
				return nil
			})
		})
	})
	for part := 0; err == nil && part < r.Threads; part++ {
		err = r.addAll(keys[part], got[part])
	}
	return err
}

func getBusy(r *run) error {
	var enough atomic.Bool
	ended := make(chan struct{})
	go func() {
		for !enough.Load() {
		}
		close(ended)
	}()
	err := getAll(r)
	enough.Store(true)
	<-ended
	return err
}

func batched(r *run) error {
	var pairs []pair
	for turn := range r.Ops {
		pairs = append(pairs, r.pair(r.chosen(turn), 1))
	}
	dealt := shares(pairs, r.Threads)
	err := r.timed(r.Ops, func() error {
		return atOnce(r.Threads, func(part int) error {
			for _, p := range dealt[part] {
				err := r.db.Batch(func(tx *bolt.Tx) error { return tx.Bucket(name).Put(p.key, p.value) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return r.readBack(r.db)
}

func putBesideReader(r *run) error {
	batches := r.batches(r.Count, r.Count+r.Ops)
	reader, err := r.db.Begin(false)
	if err != nil {
		return err
	}
	defer reader.Rollback()
	if err := r.timed(r.Ops, func() error { return r.put(batches) }); err != nil {
		return err
	}
	seen := 0
	c := reader.Bucket(name).Cursor()
	for key, _ := c.First(); key != nil; key, _ = c.Next() {
		seen++
	}
	r.sum.crc = uint32(seen) // what the reader saw is compared too
	return r.readBack(r.db)
}
