package last

import (
	"encoding/json"
	"errors"

	"boltpy/tests/interop/gofer/first"
)

// Head is what all events have; it comes first in their JSON.
type Head struct {
	EventID int64  `json:"event_id"`
	Kind    string `json:"kind"`
	Emitted int64  `json:"emitted"`
}

// SetID notes the number that the log gave.
func (h *Head) SetID(id int64) { h.EventID = id }

// Event is an entry of the log. Its kind decides what its JSON holds.
type Event interface{ SetID(id int64) }

type ofNamespace struct {
	Head
	NamespaceID string
}

type ofPipeline struct {
	Head
	NamespaceID string
	PipelineID  string
}

type ofRun struct {
	Head
	NamespaceID string
	PipelineID  string
	RunID       int64
}

type ofRunEnd struct {
	Head
	NamespaceID string
	PipelineID  string
	RunID       int64
	State       string
}

type ofTaskRun struct {
	Head
	NamespaceID string
	PipelineID  string
	RunID       int64
	TaskRunID   string
}

type ofTaskRunEnd struct {
	Head
	NamespaceID string
	PipelineID  string
	RunID       int64
	TaskRunID   string
	State       string
}

type ofTrigger struct {
	Head
	Label           string
	Pipeline        string
	Namespace       string
	Result          first.TriggerResult
	TriggerMetadata map[string]string
}

// ReadEvent decodes an event for writing: every kind can be written, and one
// that nobody knows is taken for one about a namespace.
func ReadEvent(data []byte) (Event, error) {
	kind, err := kindOf(data)
	if err != nil {
		return nil, err
	}
	event := newEvent(kind)
	if kind == "ABANDONED_PIPELINE" {
		event = &ofPipeline{}
	} else if event == nil {
		event = &ofNamespace{}
	}
	return event, json.Unmarshal(data, event)
}

// ShowEvent decodes an event for a reader, who is shown nothing of the kinds
// that Gofer forgot to decode. An event without a kind is an error, in which
// Gofer names the error that it did not have.
func ShowEvent(data []byte) (Event, error) {
	kind, err := kindOf(data)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return nil, errors.New("could not find type in event: <nil>")
	}
	event := newEvent(kind)
	if event == nil {
		return nil, nil
	}
	return event, json.Unmarshal(data, event)
}

func kindOf(data []byte) (string, error) {
	var head Head
	err := json.Unmarshal(data, &head)
	return head.Kind, err
}

func newEvent(kind string) Event {
	switch kind {
	case "CREATED_NAMESPACE":
		return &ofNamespace{}
	case "DISABLED_PIPELINE", "ENABLED_PIPELINE", "CREATED_PIPELINE":
		return &ofPipeline{}
	case "STARTED_RUN":
		return &ofRun{}
	case "COMPLETED_RUN":
		return &ofRunEnd{}
	case "STARTED_TASK_RUN", "SCHEDULED_TASK_RUN":
		return &ofTaskRun{}
	case "COMPLETED_TASK_RUN":
		return &ofTaskRunEnd{}
	case "FIRED_TRIGGER", "PROCESSED_TRIGGER", "RESOLVED_TRIGGER":
		return &ofTrigger{}
	}
	return nil
}
