package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// workload describes changes that both languages derive from a seed, so that a
// large test needs no large pipe. The Python twin is workload.py: the two must
// draw the same numbers in the same order.
type workload struct {
	Bucket    []hexBytes `json:"bucket"`
	Seed      uint64     `json:"seed"`
	Count     int        `json:"count"`  // operations
	PerTx     int        `json:"per_tx"` // operations in a transaction
	Load      int        `json:"load"`   // the first operations, which only put new keys
	Keys      string     `json:"keys"`   // "ascending", "descending" or "random"
	KeySize   [2]uint64  `json:"key_size"`
	ValueSize [2]uint64  `json:"value_size"`
	Fill      float64    `json:"fill"`
	// Shares of a hundred; what they leave goes to puts of new keys.
	Overwrite int `json:"overwrite"` // put to a key that is there
	Delete    int `json:"delete"`    // delete a key that is there
	Missing   int `json:"missing"`   // delete a key that was never there
	Transient int `json:"transient"` // put a new key and delete it at once
	// Hashes asks for the sha256 of the file after each commit.
	Hashes bool `json:"hashes"`
}

const gamma = 0x9e3779b97f4a7c15

// mix is the output function of splitmix64, a bijection of 64-bit words.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

type generator struct {
	workload
	state uint64
	made  uint64   // keys made so far
	live  [][]byte // keys that are in the bucket
	steps int      // operations done
}

func (g *generator) next() uint64 {
	g.state += gamma
	return mix(g.state)
}

// repeated is the word's big-endian bytes again and again: its last `size`
// bytes if that is less than a word.
func repeated(word, size uint64) []byte {
	var one [8]byte
	binary.BigEndian.PutUint64(one[:], word)
	if size < 8 {
		return append([]byte{}, one[8-size:]...)
	}
	out := make([]byte, size)
	for at := 0; at < len(out); at += 8 {
		copy(out[at:], one[:])
	}
	return out
}

func (g *generator) newKey() []byte {
	n := g.made
	g.made++
	word := n
	switch g.Keys {
	case "descending":
		word = ^n
	case "random":
		word = mix(g.Seed + n*gamma)
	}
	return repeated(word, between(g.KeySize, mix(word^g.Seed)))
}

func (g *generator) value() []byte {
	word := g.next()
	return repeated(word, between(g.ValueSize, word>>32))
}

func between(limits [2]uint64, word uint64) uint64 {
	return limits[0] + word%(limits[1]-limits[0]+1)
}

func (g *generator) step(b *bolt.Bucket) error {
	r := int(g.next() % 100)
	g.steps++
	loading := g.steps <= g.Load
	if !loading && len(g.live) > 0 && r < g.Overwrite+g.Delete+g.Missing {
		i := g.next() % uint64(len(g.live))
		key := g.live[i]
		switch {
		case r < g.Overwrite:
			return b.Put(key, g.value())
		case r < g.Overwrite+g.Delete:
			last := len(g.live) - 1
			g.live[i] = g.live[last]
			g.live = g.live[:last]
			return b.Delete(key)
		default:
			return b.Delete(append(key[:len(key):len(key)], 0))
		}
	}
	key := g.newKey()
	if err := b.Put(key, g.value()); err != nil {
		return err
	}
	if !loading && r >= 100-g.Transient {
		return b.Delete(key)
	}
	g.live = append(g.live, key)
	return nil
}

func (w *workload) check() error {
	sizes := w.KeySize[0] >= 1 && w.KeySize[0] <= w.KeySize[1] && w.ValueSize[0] <= w.ValueSize[1]
	if !sizes || w.PerTx < 1 || w.Count < 0 || len(w.Bucket) == 0 {
		return fmt.Errorf("bad request: workload %+v", *w)
	}
	return nil
}

func runWorkload(p *peer, req *request) (any, error) {
	db, err := p.db(req)
	if err != nil {
		return nil, err
	}
	if req.Workload == nil {
		return nil, fmt.Errorf("bad request: no workload")
	}
	if err := req.Workload.check(); err != nil {
		return nil, err
	}
	g := &generator{workload: *req.Workload, state: req.Workload.Seed}
	sizes, hashes := []int64{}, []string{}
	for done := 0; done < g.Count; done += g.PerTx {
		err := db.Update(func(tx *bolt.Tx) error {
			b := tx.Cursor().Bucket()
			for _, name := range g.Bucket {
				var err error
				if b, err = b.CreateBucketIfNotExists(name); err != nil {
					return err
				}
			}
			if g.Fill != 0 {
				b.FillPercent = g.Fill
			}
			for i := done; i < min(done+g.PerTx, g.Count); i++ {
				if err := g.step(b); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(db.Path())
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, info.Size())
		if g.Hashes {
			hash, err := hashFile(db.Path())
			if err != nil {
				return nil, err
			}
			hashes = append(hashes, hash)
		}
	}
	return map[string]any{"sizes": sizes, "hashes": hashes}, nil
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
