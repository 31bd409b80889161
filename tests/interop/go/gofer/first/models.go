package first

type Namespace struct {
	ID          string `json:"id" storm:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Created     int64  `json:"created"`
	Deleted     int64  `json:"deleted"`
}

type Token struct {
	Created    int64             `json:"created"`
	Hash       string            `json:"hash" storm:"id"`
	Kind       string            `json:"kind"`
	Namespaces []string          `json:"namespaces"`
	Metadata   map[string]string `json:"metadata"`
}

type DockerRegistryAuth struct {
	Registry string `json:"registry" storm:"id"`
	User     string `json:"user"`
	Pass     []byte `json:"pass"`
	Created  int64  `json:"created"`
}

type Task struct {
	ID          string            `json:"id"`
	Description string            `json:"description"`
	ImageName   string            `json:"image_name"`
	DependsOn   map[string]string `json:"depends_on"`
	EnvVars     map[string]string `json:"env_vars"`
	Secrets     map[string]string `json:"secrets"`
}

type PipelineTriggerConfig struct {
	Kind   string
	Label  string
	Config map[string]string
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

// Failure is that of a run or of a task run; only the kinds differ.
type Failure struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
}

type Run struct {
	Ended          int64               `json:"ended"`
	Failure        Failure             `json:"failure"`
	ID             int64               `json:"id" storm:"id,increment"`
	NamespaceID    string              `json:"namespace_id"`
	PipelineID     string              `json:"pipeline_id"`
	Started        int64               `json:"started" storm:"index"`
	State          string              `json:"status"`
	TaskRuns       []string            `json:"task_runs"`
	Only           map[string]struct{} `json:"only"`
	TriggerKind    string              `json:"trigger_kind"`
	TriggerName    string              `json:"trigger_name"`
	Variables      map[string]string   `json:"variables"`
	Objects        []string            `json:"objects"`
	ObjectsExpired bool                `json:"objects_expired"`
}

type TaskRun struct {
	Created     int64   `json:"created" storm:"index"`
	Ended       int64   `json:"ended"`
	ExitCode    int     `json:"exit_code"`
	Failure     Failure `json:"failure"`
	ID          string  `json:"id" storm:"id"`
	LogsExpired bool    `json:"logs_expired"`
	LogsRemoved bool    `json:"logs_removed"`
	NamespaceID string  `json:"namespace_id"`
	PipelineID  string  `json:"pipeline_id"`
	RunID       int64   `json:"run_id"`
	SchedulerID string  `json:"scheduler_id"`
	Started     int64   `json:"started" storm:"index"`
	State       string  `json:"status"`
	Task        Task    `json:"task"`
}

type TriggerResult struct {
	Details string
	State   string
}

type TriggerEvent struct {
	ID                   int64             `json:"id" storm:"id,increment"`
	Received             int64             `json:"received"`
	Processed            int64             `json:"processed"`
	PipelineTriggerLabel string            `json:"pipeline_trigger_label"`
	PipelineID           string            `json:"pipeline_id"`
	NamespaceID          string            `json:"namespace_id"`
	Result               TriggerResult     `json:"trigger_result"`
	Metadata             map[string]string `json:"metadata"`
}

// RunRegistryKey is the key of a registration, as JSON.
type RunRegistryKey struct {
	Namespace string
	Pipeline  string
	Run       int64
}
