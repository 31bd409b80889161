package main

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// operation is one change in a transaction. Bucket is the path of the bucket
// that it works on, from the root; the empty path is the root bucket.
type operation struct {
	Op       string     `json:"op"`
	Bucket   []hexBytes `json:"bucket"`
	Key      hexBytes   `json:"key"`
	Value    hexBytes   `json:"value"`
	Target   []hexBytes `json:"target"`
	Sequence uint64     `json:"sequence"`
	Fill     float64    `json:"fill"`
}

// outcome is what an operation answered. A failed operation does not end the
// transaction: the tests compare the errors of both sides, too.
type outcome struct {
	Error    string    `json:"error,omitempty"`
	Value    *hexBytes `json:"value,omitempty"`
	Sequence uint64    `json:"sequence,omitempty"`
}

func applyAll(tx *bolt.Tx, operations []operation) []outcome {
	outcomes := make([]outcome, len(operations))
	for i, op := range operations {
		var err error
		if outcomes[i], err = applyOne(tx, op); err != nil {
			outcomes[i].Error = err.Error()
		}
	}
	return outcomes
}

// walkTo finds a bucket by its path. The root bucket has no public accessor
// other than its cursor.
func walkTo(tx *bolt.Tx, path []hexBytes) (*bolt.Bucket, error) {
	b := tx.Cursor().Bucket()
	for _, name := range path {
		if b = b.Bucket(name); b == nil {
			return nil, berrors.ErrBucketNotFound
		}
	}
	return b, nil
}

func applyOne(tx *bolt.Tx, op operation) (done outcome, err error) {
	b, err := walkTo(tx, op.Bucket)
	if err != nil {
		return done, err
	}
	switch op.Op {
	case "put":
		err = b.Put(op.Key, op.Value)
	case "delete":
		err = b.Delete(op.Key)
	case "get":
		if value := b.Get(op.Key); value != nil {
			copied := append(hexBytes{}, value...)
			done.Value = &copied
		}
	case "create_bucket":
		_, err = b.CreateBucket(op.Key)
	case "create_bucket_if_not_exists":
		_, err = b.CreateBucketIfNotExists(op.Key)
	case "delete_bucket":
		err = b.DeleteBucket(op.Key)
	case "move_bucket":
		var target *bolt.Bucket
		if target, err = walkTo(tx, op.Target); err == nil {
			err = b.MoveBucket(op.Key, target)
		}
	case "set_sequence":
		err = b.SetSequence(op.Sequence)
	case "next_sequence":
		done.Sequence, err = b.NextSequence()
	case "fill_percent":
		b.FillPercent = op.Fill
	default:
		err = fmt.Errorf("bad request: no change %q", op.Op)
	}
	return done, err
}
