package main

import (
	"encoding/binary"
	"encoding/json"

	"boltpy/tests/interop/gofer/first"
	"boltpy/tests/interop/gofer/last"

	bolt "go.etcd.io/bbolt"
)

// The event log is plain bolt: numbers from the bucket's sequence, JSON values.

const events = "events"

func eventKey(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func addEvent() method {
	return func(request json.RawMessage, _ int64) (call, error) {
		raw, err := sole[json.RawMessage](request)
		if err != nil {
			return nil, err
		}
		event, err := last.ReadEvent(*raw)
		return func(s *storage) outcome {
			var id int64
			err := s.db.Bolt.Update(func(tx *bolt.Tx) error {
				log := tx.Bucket([]byte(events))
				next, err := log.NextSequence()
				if err != nil {
					return err
				}
				id = int64(next)
				event.SetID(id)
				value, err := json.Marshal(event)
				if err != nil {
					return err
				}
				return log.Put(eventKey(id), value)
			})
			return outcome{ID: &id, err: err}
		}, err
	}
}

// oneEvent makes a method of what is done with the event of a number.
func oneEvent(transact func(db *bolt.DB, do func(tx *bolt.Tx) error) error,
	do func(log *bolt.Bucket, key, value []byte) (any, error),
) method {
	return func(request json.RawMessage, _ int64) (call, error) {
		var where first.Where
		if err := json.Unmarshal(request, &where); err != nil {
			return nil, err
		}
		id, err := where.Number()
		return func(s *storage) (done outcome) {
			done.err = transact(s.db.Bolt, func(tx *bolt.Tx) (err error) {
				log := tx.Bucket([]byte(events))
				value := log.Get(eventKey(id))
				if value == nil {
					return errNotFound
				}
				done.Result, err = do(log, eventKey(id), value)
				return err
			})
			return done
		}, err
	}
}

func getEvent() method {
	return oneEvent((*bolt.DB).View, func(_ *bolt.Bucket, _, value []byte) (any, error) {
		event, err := last.ShowEvent(value)
		if event == nil {
			return nil, err // not a nil pointer in an interface
		}
		return event, err
	})
}

func deleteEvent() method {
	return oneEvent((*bolt.DB).Update, func(log *bolt.Bucket, key, _ []byte) (any, error) {
		return nil, log.Delete(key)
	})
}

// listEvents counts neither with its offset nor in the kinds that are not shown:
// the offset is a distance from the first or the last number.
func listEvents() method {
	return func(request json.RawMessage, _ int64) (call, error) {
		var where first.Where
		err := json.Unmarshal(request, &where)
		return func(s *storage) outcome {
			found := []last.Event{}
			err := s.db.Bolt.View(func(tx *bolt.Tx) error {
				limit, offset := s.limited(where.Limit), int64(where.Offset)
				cursor := tx.Bucket([]byte(events)).Cursor()
				step := cursor.Next
				key, value := cursor.First()
				wanted := func(id int64) bool { return id > offset }
				if where.Reverse {
					step = cursor.Prev
					key, value = cursor.Last()
					if key != nil {
						highest := int64(binary.BigEndian.Uint64(key)) - offset
						wanted = func(id int64) bool { return id <= highest }
					}
				}
				for ; key != nil && len(found) != limit; key, value = step() {
					if !wanted(int64(binary.BigEndian.Uint64(key))) {
						continue
					}
					event, err := last.ShowEvent(value)
					if err != nil {
						return err
					}
					if event != nil {
						found = append(found, event)
					}
				}
				return nil
			})
			if err != nil {
				return outcome{err: err}
			}
			return outcome{Result: found}
		}, err
	}
}
