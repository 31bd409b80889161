// Package first has the entities as Gofer stored them in July 2021. What lies
// in the file is decided by the struct names, the field names of indexed
// fields, the JSON names and the order of fields.
package first

import (
	"encoding/json"
	"strconv"
)

// Where is how requests name entities: each uses the members that it needs.
type Where struct {
	NamespaceID          string
	PipelineID           string
	RunID                int64
	PipelineTriggerLabel string
	ID                   json.RawMessage // a string or a number
	Hash                 string
	Registry             string

	Offset     int
	Limit      int
	Namespaces []string
	Reverse    bool
}

// Text is the id of what has a string for it.
func (w *Where) Text() (id string, err error) { return id, w.id(&id) }

// Number is the id of what is numbered.
func (w *Where) Number() (id int64, err error) { return id, w.id(&id) }

// The lists name no id.
func (w *Where) id(to any) error {
	if w.ID == nil {
		return nil
	}
	return json.Unmarshal(w.ID, to)
}

// For each entity: Locate takes its place from a request, Place names the
// buckets above that of its type, Key the Go field that is its id, with the
// value.

func (n *Namespace) Locate(w *Where) (err error) { n.ID, err = w.Text(); return err }
func (n *Namespace) Place() []string             { return nil }
func (n *Namespace) Key() (string, any)          { return "ID", n.ID }

func (t *Token) Locate(w *Where) error { t.Hash = w.Hash; return nil }
func (t *Token) Place() []string       { return nil }
func (t *Token) Key() (string, any)    { return "Hash", t.Hash }

func (a *DockerRegistryAuth) Locate(w *Where) error { a.Registry = w.Registry; return nil }
func (a *DockerRegistryAuth) Place() []string       { return nil }
func (a *DockerRegistryAuth) Key() (string, any)    { return "Registry", a.Registry }

func (p *Pipeline) Locate(w *Where) (err error) {
	p.Namespace = w.NamespaceID
	p.ID, err = w.Text()
	return err
}
func (p *Pipeline) Place() []string    { return []string{p.Namespace} }
func (p *Pipeline) Key() (string, any) { return "ID", p.ID }

// Ran notes the latest run and its time, in epoch milliseconds.
func (p *Pipeline) Ran(run, now int64) { p.LastRunID, p.LastRunTime = run, now }

func (r *Run) Locate(w *Where) (err error) {
	r.NamespaceID, r.PipelineID = w.NamespaceID, w.PipelineID
	r.ID, err = w.Number()
	return err
}
func (r *Run) Place() []string    { return []string{r.NamespaceID, r.PipelineID} }
func (r *Run) Key() (string, any) { return "ID", r.ID }

// Number is the id, which AddRun may have given.
func (r *Run) Number() int64 { return r.ID }

// AddTaskRun appends to the ids of the task runs.
func (r *Run) AddTaskRun(id string) { r.TaskRuns = append(r.TaskRuns, id) }

func (t *TaskRun) Locate(w *Where) (err error) {
	t.NamespaceID, t.PipelineID, t.RunID = w.NamespaceID, w.PipelineID, w.RunID
	t.ID, err = w.Text()
	return err
}
func (t *TaskRun) Place() []string {
	return []string{t.NamespaceID, t.PipelineID, strconv.FormatInt(t.RunID, 10)}
}
func (t *TaskRun) Key() (string, any) { return "ID", t.ID }

// Run is the number of the run that it belongs to.
func (t *TaskRun) Run() int64 { return t.RunID }

func (e *TriggerEvent) Locate(w *Where) (err error) {
	e.NamespaceID, e.PipelineID, e.PipelineTriggerLabel = w.NamespaceID, w.PipelineID, w.PipelineTriggerLabel
	e.ID, err = w.Number()
	return err
}
func (e *TriggerEvent) Place() []string {
	return []string{e.NamespaceID, e.PipelineID, e.PipelineTriggerLabel}
}
func (e *TriggerEvent) Key() (string, any) { return "ID", e.ID }
