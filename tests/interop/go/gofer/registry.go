package main

import (
	"bytes"
	"encoding/json"

	"boltpy/tests/interop/gofer/first"

	bolt "go.etcd.io/bbolt"
)

const registry = "runRegistry"

// registration makes a method of what is done with one key of the registry.
func registration(do func(s *storage, key first.RunRegistryKey) outcome) method {
	return func(request json.RawMessage, _ int64) (call, error) {
		var key first.RunRegistryKey
		err := json.Unmarshal(request, &key)
		return func(s *storage) outcome { return do(s, key) }, err
	}
}

func register(s *storage, key first.RunRegistryKey) outcome {
	return outcome{err: s.db.Set(registry, key, struct{}{})}
}

func unregister(s *storage, key first.RunRegistryKey) outcome {
	return outcome{err: s.db.Delete(registry, key)}
}

func registered(s *storage, key first.RunRegistryKey) outcome {
	exists, err := s.db.KeyExists(registry, key)
	return outcome{Result: err == nil && exists}
}

func listRegistrations() method {
	return func(json.RawMessage, int64) (call, error) {
		return func(s *storage) outcome {
			keys := []first.RunRegistryKey{}
			err := s.db.Bolt.View(func(tx *bolt.Tx) error {
				return tx.Bucket([]byte(registry)).ForEach(func(name, _ []byte) error {
					if bytes.HasPrefix(name, []byte("__")) { // storm's own
						return nil
					}
					var key first.RunRegistryKey
					if err := json.Unmarshal(name, &key); err != nil {
						return err
					}
					keys = append(keys, key)
					return nil
				})
			})
			if err != nil {
				return outcome{err: err}
			}
			return outcome{Result: keys}
		}, nil
	}
}
