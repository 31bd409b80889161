// Package last has the entities as Gofer stored them in March 2022, in the last
// version that used bolt. Tasks and triggers have changed since package first,
// and with them all that holds tasks; runs are no longer indexed by Started.
package last

import (
	"strconv"

	"boltpy/tests/interop/gofer/first"
)

type (
	Namespace = first.Namespace
	Token     = first.Token
)

type RegistryAuth struct {
	User string `json:"user"`
	Pass string `json:"pass"`
}

type Exec struct {
	Shell  string `json:"shell"`
	Script string `json:"script"`
}

type Task struct {
	ID           string            `json:"id"`
	Description  string            `json:"description"`
	Image        string            `json:"image"`
	RegistryAuth RegistryAuth      `json:"registry_auth"`
	DependsOn    map[string]string `json:"depends_on"`
	EnvVars      map[string]string `json:"env_vars"`
	Exec         Exec              `json:"exec"`
}

type PipelineTriggerConfig struct {
	Kind   string
	Label  string
	Config map[string]string
	State  string
}

type Pipeline struct {
	Location    string                           `json:"location"`
	Created     int64                            `json:"created" storm:"index"`
	Description string                           `json:"description"`
	ID          string                           `json:"id" storm:"id"`
	Namespace   string                           `json:"namespace"`
	LastRunTime int64                            `json:"last_run_time"`
	LastRunID   int64                            `json:"last_run_id"`
	Updated     int64                            `json:"updated"`
	Name        string                           `json:"name"`
	Sequential  bool                             `json:"sequential"`
	State       string                           `json:"state"`
	Tasks       map[string]Task                  `json:"tasks"`
	Triggers    map[string]PipelineTriggerConfig `json:"triggers"`
	Objects     []string                         `json:"objects"`
}

func (p *Pipeline) Locate(w *first.Where) (err error) {
	p.Namespace = w.NamespaceID
	p.ID, err = w.Text()
	return err
}
func (p *Pipeline) Place() []string    { return []string{p.Namespace} }
func (p *Pipeline) Key() (string, any) { return "ID", p.ID }
func (p *Pipeline) Ran(run, now int64) { p.LastRunID, p.LastRunTime = run, now }

type Run struct {
	Ended          int64               `json:"ended"`
	Failure        first.Failure       `json:"failure"`
	ID             int64               `json:"id" storm:"id,increment"`
	NamespaceID    string              `json:"namespace_id"`
	PipelineID     string              `json:"pipeline_id"`
	Started        int64               `json:"started"`
	State          string              `json:"status"`
	TaskRuns       []string            `json:"task_runs"`
	Only           map[string]struct{} `json:"only"`
	TriggerKind    string              `json:"trigger_kind"`
	TriggerName    string              `json:"trigger_name"`
	Variables      map[string]string   `json:"variables"`
	Objects        []string            `json:"objects"`
	ObjectsExpired bool                `json:"objects_expired"`
}

func (r *Run) Locate(w *first.Where) (err error) {
	r.NamespaceID, r.PipelineID = w.NamespaceID, w.PipelineID
	r.ID, err = w.Number()
	return err
}
func (r *Run) Place() []string      { return []string{r.NamespaceID, r.PipelineID} }
func (r *Run) Key() (string, any)   { return "ID", r.ID }
func (r *Run) Number() int64        { return r.ID }
func (r *Run) AddTaskRun(id string) { r.TaskRuns = append(r.TaskRuns, id) }

type TaskRun struct {
	Created     int64         `json:"created" storm:"index"`
	Ended       int64         `json:"ended"`
	ExitCode    int           `json:"exit_code"`
	Failure     first.Failure `json:"failure"`
	ID          string        `json:"id" storm:"id"`
	LogsExpired bool          `json:"logs_expired"`
	LogsRemoved bool          `json:"logs_removed"`
	NamespaceID string        `json:"namespace_id"`
	PipelineID  string        `json:"pipeline_id"`
	RunID       int64         `json:"run_id"`
	SchedulerID string        `json:"scheduler_id"`
	Started     int64         `json:"started" storm:"index"`
	State       string        `json:"status"`
	Task        Task          `json:"task"`
}

func (t *TaskRun) Locate(w *first.Where) (err error) {
	t.NamespaceID, t.PipelineID, t.RunID = w.NamespaceID, w.PipelineID, w.RunID
	t.ID, err = w.Text()
	return err
}
func (t *TaskRun) Place() []string {
	return []string{t.NamespaceID, t.PipelineID, strconv.FormatInt(t.RunID, 10)}
}
func (t *TaskRun) Key() (string, any) { return "ID", t.ID }
func (t *TaskRun) Run() int64         { return t.RunID }
