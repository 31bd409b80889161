package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	bolt "go.etcd.io/bbolt"
)

// dumper walks all buckets, depth first in key order. The canonical form that
// is hashed has one record for each step of the walk; lengths and sequences are
// 64-bit little-endian numbers:
//
//	bucket  'B' length name sequence, its content follows
//	pair    'P' length key length value
//	end     'E' after the last entry of a bucket
type dumper struct {
	hash    hash.Hash
	out     *bufio.Writer
	emit    func(item any) error
	buckets int
	pairs   int
}

func (d *dumper) number(n uint64) {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], n)
	d.out.Write(word[:])
}

func (d *dumper) bytes(b []byte) {
	d.number(uint64(len(b)))
	d.out.Write(b)
}

func (d *dumper) walk(b *bolt.Bucket) error {
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if v == nil {
			if child := b.Bucket(k); child != nil {
				if err := d.enter(k, child); err != nil {
					return err
				}
				continue
			}
		}
		d.pairs++
		d.out.WriteByte('P')
		d.bytes(k)
		d.bytes(v)
		if err := d.emit(map[string]any{"key": hexBytes(k), "value": hexBytes(v)}); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) enter(name []byte, b *bolt.Bucket) error {
	d.buckets++
	d.out.WriteByte('B')
	d.bytes(name)
	d.number(b.Sequence())
	if err := d.emit(map[string]any{"bucket": hexBytes(name), "sequence": b.Sequence()}); err != nil {
		return err
	}
	if err := d.walk(b); err != nil {
		return err
	}
	d.out.WriteByte('E')
	return d.emit(map[string]any{"end": true})
}

func dump(p *peer, req *request) (any, error) {
	sum := sha256.New()
	d := &dumper{hash: sum, out: bufio.NewWriter(sum), emit: func(any) error { return nil }}
	if req.Items {
		d.emit = func(item any) error {
			return p.stream.Encode(map[string]any{"id": req.ID, "item": item})
		}
	}
	err := p.read(req, func(tx *bolt.Tx) error { return d.walk(tx.Cursor().Bucket()) })
	if err != nil {
		return nil, err
	}
	d.out.Flush()
	digest := hex.EncodeToString(d.hash.Sum(nil))
	return map[string]any{"sha256": digest, "buckets": d.buckets, "pairs": d.pairs}, nil
}

func check(p *peer, req *request) (any, error) {
	problems := []string{}
	err := p.read(req, func(tx *bolt.Tx) error {
		for problem := range tx.Check() {
			problems = append(problems, problem.Error())
		}
		return nil
	})
	return map[string]any{"problems": problems}, err
}

// stats answers for one bucket and for the freelist of the database. Only a
// write transaction releases pending pages, so the counts are those of the last
// one that began.
func stats(p *peer, req *request) (any, error) {
	var found map[string]any
	err := p.read(req, func(tx *bolt.Tx) error {
		b, err := walkTo(tx, req.Bucket)
		if err != nil {
			return err
		}
		s := b.Stats()
		all := tx.DB().Stats()
		found = map[string]any{
			"txid": tx.ID(), "size": tx.Size(), "root": uint64(b.Root()),
			"free_page_n": all.FreePageN, "pending_page_n": all.PendingPageN,
			"free_alloc": all.FreeAlloc, "freelist_inuse": all.FreelistInuse,
			"bucket": map[string]int{
				"branch_page_n": s.BranchPageN, "branch_overflow_n": s.BranchOverflowN,
				"leaf_page_n": s.LeafPageN, "leaf_overflow_n": s.LeafOverflowN,
				"key_n": s.KeyN, "depth": s.Depth,
				"branch_alloc": s.BranchAlloc, "branch_inuse": s.BranchInuse,
				"leaf_alloc": s.LeafAlloc, "leaf_inuse": s.LeafInuse,
				"bucket_n": s.BucketN, "inline_bucket_n": s.InlineBucketN,
				"inline_bucket_inuse": s.InlineBucketInuse,
			},
		}
		return nil
	})
	return found, err
}

type pageInfo struct {
	ID       int    `json:"id"`
	Type     string `json:"type"`
	Count    int    `json:"count"`
	Overflow int    `json:"overflow"`
}

func pages(p *peer, req *request) (any, error) {
	found := []pageInfo{}
	err := p.read(req, func(tx *bolt.Tx) error {
		for id := 0; ; {
			info, err := tx.Page(id)
			if err != nil || info == nil {
				return err
			}
			found = append(found, pageInfo{info.ID, info.Type, info.Count, info.OverflowCount})
			id++
			if info.Type != "free" {
				id += info.OverflowCount
			}
		}
	})
	return map[string]any{"pages": found}, err
}
