package main

import (
	"encoding/json"

	"boltpy/tests/interop/gofer/first"

	"github.com/asdine/storm/v3"
)

// What adding runs and task runs needs of the entities of either schema.
type (
	pipelineRecord[T any] interface {
		record[T]
		Ran(run, now int64)
	}
	runRecord[T any] interface {
		record[T]
		Number() int64
		AddTaskRun(id string)
	}
	taskRunRecord[T any] interface {
		record[T]
		Run() int64
	}
)

// parent makes a probe for what an entity belongs to.
func parent[T any, P record[T]](where first.Where, id any) (P, error) {
	text, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	where.ID = text
	probe := P(new(T))
	return probe, probe.Locate(&where)
}

// addRun numbers and saves a run and notes it in its pipeline.
func addRun[L, R any, PL pipelineRecord[L], PR runRecord[R]]() method {
	return func(request json.RawMessage, now int64) (call, error) {
		entity, err := sole[R](request)
		return func(s *storage) outcome {
			run := PR(entity)
			err := s.inTx(func(tx storm.Node) error {
				namespace, id := run.Place()[0], run.Place()[1]
				probe, err := parent[L, PL](first.Where{NamespaceID: namespace}, id)
				if err != nil {
					return err
				}
				pipeline, err := found[L, PL](tx, probe)
				if err != nil {
					return err
				}
				if err := tx.From(run.Place()...).Save(run); err != nil {
					return err
				}
				pipeline.Ran(run.Number(), now)
				return tx.From(namespace).Update(pipeline)
			})
			id := run.Number()
			return outcome{ID: &id, err: err}
		}, err
	}
}

// addTaskRun notes a task run in its run and saves it.
func addTaskRun[R, T any, PR runRecord[R], PT taskRunRecord[T]]() method {
	return func(request json.RawMessage, _ int64) (call, error) {
		entity, err := sole[T](request)
		return func(s *storage) outcome {
			taskRun := PT(entity)
			return outcome{err: s.inTx(func(tx storm.Node) error {
				where := first.Where{NamespaceID: taskRun.Place()[0], PipelineID: taskRun.Place()[1]}
				probe, err := parent[R, PR](where, taskRun.Run())
				if err != nil {
					return err
				}
				run, err := found[R, PR](tx, probe)
				if err != nil {
					return err
				}
				_, id := taskRun.Key()
				run.AddTaskRun(id.(string))
				if err := tx.From(run.Place()...).Update(run); err != nil {
					return err
				}
				return insert[T, PT](tx, taskRun)
			})}
		}, err
	}
}

// addTriggerEvent numbers and saves an event, whether its pipeline exists or not.
func addTriggerEvent() method {
	return func(request json.RawMessage, _ int64) (call, error) {
		event, err := sole[first.TriggerEvent](request)
		return func(s *storage) outcome {
			err := s.db.From(event.Place()...).Save(event)
			return outcome{ID: &event.ID, err: err}
		}, err
	}
}
