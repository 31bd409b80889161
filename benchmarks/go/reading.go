package main

import bolt "go.etcd.io/bbolt"

func getAll(r *run) error {
	keys := r.chosenKeys(0, r.Ops)
	return r.view(func(b *bolt.Bucket) error {
		var values [][]byte
		err := r.timed(r.Ops, func() error {
			values = get(b, keys)
			return nil
		})
		if err != nil {
			return err
		}
		return r.addAll(keys, values)
	})
}

func getTx(r *run) error {
	keys := r.chosenKeys(0, r.Ops)
	values := make([][]byte, len(keys))
	return r.view(func(*bolt.Bucket) error { // keeps the values valid
		err := r.timed(r.Ops, func() error {
			for i, key := range keys {
				err := r.view(func(b *bolt.Bucket) error {
					values[i] = b.Get(key)
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
		return r.addAll(keys, values)
	})
}

func scan(r *run) error {
	return r.view(func(b *bolt.Bucket) error {
		err := r.timed(r.Count, func() error {
			c, count := b.Cursor(), 0
			for key, _ := c.First(); key != nil; key, _ = c.Next() {
				count++
			}
			return nil
		})
		if err != nil {
			return err
		}
		return r.readBack(r.db)
	})
}

func seek(r *run) error {
	starts := r.chosenKeys(0, r.Ops)
	return r.view(func(b *bolt.Bucket) error {
		found := make([][]pair, len(starts))
		err := r.timed(r.Ops, func() error {
			c := b.Cursor()
			for i, start := range starts {
				pairs := make([]pair, 0, r.Span)
				for key, value := c.Seek(start); key != nil && len(pairs) < r.Span; key, value = c.Next() {
					pairs = append(pairs, pair{key, value})
				}
				found[i] = pairs
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, pairs := range found {
			for _, p := range pairs {
				r.sum.add(p.key, p.value)
			}
		}
		return nil
	})
}

// reopened opens the file again and again, and does something small each time.
func (r *run) reopened(work func() error) error {
	for range r.Ops {
		if err := r.db.Close(); err != nil {
			return err
		}
		err := r.timed(1, func() (err error) {
			if r.db, err = r.open(r.Path); err != nil {
				return err
			}
			return work()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func openGet(r *run) error {
	keys := [][]byte{r.key(0)}
	err := r.reopened(func() error {
		return r.view(func(b *bolt.Bucket) error {
			get(b, keys)
			return nil
		})
	})
	if err != nil {
		return err
	}
	return r.view(func(b *bolt.Bucket) error { return r.addAll(keys, get(b, keys)) })
}

func openPut(r *run) error {
	batches := [][]pair{{r.pair(0, 1)}}
	if err := r.reopened(func() error { return r.put(batches) }); err != nil {
		return err
	}
	return r.readBack(r.db)
}
