package main

import (
	"encoding/json"
	"errors"
	"time"

	"boltpy/tests/interop/gofer/first"

	"github.com/asdine/storm/v3"
	"github.com/asdine/storm/v3/index"
	"github.com/asdine/storm/v3/q"
	bolt "go.etcd.io/bbolt"
)

// Gofer's own errors; whatever else a call says is storm's or bbolt's text.
var (
	errNotFound     = errors.New("storage: entity not found")
	errExists       = errors.New("storage: entity already exists")
	errPrecondition = errors.New("storage: parameters did not pass validation")
)

// storage is an open database. Its methods are in a table, by name: see
// methods.go.
type storage struct {
	db      *storm.DB
	limit   int // the most that a page of a list may hold
	methods map[string]method
}

// openStorage opens or makes the file as Gofer does: a bucket of its own is
// made beside those of storm.
func openStorage(path string, s schema, limit int, noSync bool) (*storage, error) {
	options := &bolt.Options{Timeout: time.Second, NoSync: noSync}
	db, err := storm.Open(path, storm.BoltOptions(0o600, options))
	if err != nil {
		return nil, err
	}
	err = db.Bolt.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte(s.bucket))
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, err
	}
	return &storage{db: db, limit: limit, methods: s.methods}, nil
}

// outcome is what a call gave, as a log of calls says it.
type outcome struct {
	Result any    `json:"result"`
	ID     *int64 `json:"id,omitempty"` // of what the call numbered
	err    error
}

// A method decodes its request, so that this is no part of what is timed, and
// gives the call itself. `now` is the clock of the call in epoch milliseconds.
type method func(request json.RawMessage, now int64) (call, error)

type call func(s *storage) outcome

// record is an entity that storm keeps; see the comments in first/places.go.
type record[T any] interface {
	*T
	Locate(w *first.Where) error
	Place() []string
	Key() (field string, id any)
}

// found loads the record with the place and the id of `probe`.
func found[T any, P record[T]](node storm.Node, probe P) (P, error) {
	field, id := probe.Key()
	loaded := P(new(T))
	err := node.From(probe.Place()...).One(field, id, loaded)
	if errors.Is(err, storm.ErrNotFound) {
		return nil, errNotFound
	}
	return loaded, err
}

// sole decodes the requests that wrap one entity: {"Run": {...}}.
func sole[T any](request json.RawMessage) (*T, error) {
	var wrapped map[string]*T
	if err := json.Unmarshal(request, &wrapped); err != nil {
		return nil, err
	}
	for _, entity := range wrapped {
		if entity != nil && len(wrapped) == 1 {
			return entity, nil
		}
	}
	return nil, errors.New("bad request: one entity is wanted")
}

func located[T any, P record[T]](request json.RawMessage) (P, *first.Where, error) {
	var where first.Where
	if err := json.Unmarshal(request, &where); err != nil {
		return nil, nil, err
	}
	probe := P(new(T))
	return probe, &where, probe.Locate(&where)
}

// inTx runs `do` in one transaction of storm's, which an error undoes.
func (s *storage) inTx(do func(tx storm.Node) error) error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// insert saves what is not there yet.
func insert[T any, P record[T]](tx storm.Node, entity P) error {
	if _, err := found[T, P](tx, entity); err == nil {
		return errExists
	} else if err != errNotFound {
		return err
	}
	return tx.From(entity.Place()...).Save(entity)
}

func add[T any, P record[T]]() method {
	return func(request json.RawMessage, _ int64) (call, error) {
		entity, err := sole[T](request)
		return func(s *storage) outcome {
			return outcome{err: s.inTx(func(tx storm.Node) error { return insert[T, P](tx, entity) })}
		}, err
	}
}

// update has storm merge what is not zero into the stored record.
func update[T any, P record[T]](missing error) method {
	return func(request json.RawMessage, _ int64) (call, error) {
		entity, err := sole[T](request)
		return func(s *storage) outcome {
			err := s.db.From(P(entity).Place()...).Update(entity)
			switch {
			case errors.Is(err, storm.ErrNotFound):
				err = missing
			case errors.Is(err, storm.ErrNoID):
				err = errPrecondition
			}
			return outcome{err: err}
		}, err
	}
}

func remove[T any, P record[T]]() method {
	return func(request json.RawMessage, _ int64) (call, error) {
		probe, _, err := located[T, P](request)
		return func(s *storage) outcome {
			err := s.db.From(probe.Place()...).DeleteStruct(probe)
			if errors.Is(err, storm.ErrNotFound) {
				err = errNotFound
			}
			return outcome{err: err}
		}, err
	}
}

func get[T any, P record[T]]() method {
	return func(request json.RawMessage, _ int64) (call, error) {
		probe, _, err := located[T, P](request)
		return func(s *storage) outcome {
			entity, err := found[T, P](s.db, probe)
			if err != nil {
				return outcome{err: err}
			}
			return outcome{Result: entity}
		}, err
	}
}

// listing says how a list is read.
type listing struct {
	field   string // whose index gives the order
	reverse bool
	whole   bool  // no pages: the request has no limit and no offset
	missing error // what it is if there is nothing to list; nil for an empty list
}

func list[T any, P record[T]](how listing) method {
	return func(request json.RawMessage, _ int64) (call, error) {
		probe, where, err := located[T, P](request)
		return func(s *storage) outcome {
			options := []func(*index.Options){}
			if !how.whole {
				options = append(options, storm.Limit(s.limited(where.Limit)), storm.Skip(where.Offset))
			}
			if how.reverse {
				options = append(options, storm.Reverse())
			}
			entities := []T{}
			err := s.db.From(probe.Place()...).AllByIndex(how.field, &entities, options...)
			if errors.Is(err, storm.ErrNotFound) {
				err = how.missing
			}
			if err != nil {
				return outcome{err: err}
			}
			return outcome{Result: entities}
		}, err
	}
}

// limited is the limit of a list, as Gofer understands the one asked for.
func (s *storage) limited(limit int) int {
	if limit == 0 || limit > s.limit {
		return s.limit
	}
	return limit
}

// listTokens has Gofer's mistake: with namespaces it queries into a slice, where
// storm wants a pointer to one.
func listTokens() method {
	plain := list[first.Token](listing{field: "Hash"})
	return func(request json.RawMessage, now int64) (call, error) {
		all, err := plain(request, now)
		if err != nil {
			return nil, err
		}
		_, where, err := located[first.Token](request)
		return func(s *storage) outcome {
			if len(where.Namespaces) == 0 {
				return all(s)
			}
			return outcome{err: s.db.Select(q.True()).Find([]first.Token{})}
		}, err
	}
}
