package main

import (
	"maps"

	"boltpy/tests/interop/gofer/first"
	"boltpy/tests/interop/gofer/last"

	"github.com/asdine/storm/v3"
)

// schema is a version of Gofer: the bucket that opening makes, and the methods.
type schema struct {
	bucket  string
	methods map[string]method
}

// By package: the July 2021 and the March 2022 of Gofer.
var schemas = map[string]schema{
	"first": {registry, merged(
		ofBoth,
		ofTasks[first.Pipeline, first.Run, first.TaskRun](),
		map[string]method{
			"AddDockerRegistryAuth":     add[first.DockerRegistryAuth](),
			"RemoveDockerRegistryAuth":  remove[first.DockerRegistryAuth](),
			"GetDockerRegistryAuth":     get[first.DockerRegistryAuth](),
			"GetAllDockerRegistryAuths": list[first.DockerRegistryAuth](listing{field: "Registry", whole: true}),

			"AddTriggerEvent":     addTriggerEvent(),
			"UpdateTriggerEvent":  update[first.TriggerEvent](errNotFound),
			"GetTriggerEvent":     get[first.TriggerEvent](),
			"GetAllTriggerEvents": list[first.TriggerEvent](listing{field: "ID", reverse: true}),

			"RegisterRun":            registration(register),
			"UnregisterRun":          registration(unregister),
			"RegistrationExists":     registration(registered),
			"GetAllRunRegistrations": listRegistrations(),
		},
	)},
	"last": {events, merged(
		ofBoth,
		ofTasks[last.Pipeline, last.Run, last.TaskRun](),
		map[string]method{
			"AddEvent":     addEvent(),
			"DeleteEvent":  deleteEvent(),
			"GetEvent":     getEvent(),
			"GetAllEvents": listEvents(),
		},
	)},
}

var ofBoth = map[string]method{
	"AddNamespace":     add[first.Namespace](),
	"UpdateNamespace":  update[first.Namespace](errNotFound),
	"GetNamespace":     get[first.Namespace](),
	"GetAllNamespaces": list[first.Namespace](listing{field: "ID"}),

	"AddToken":     add[first.Token](),
	"DeleteToken":  remove[first.Token](),
	"GetToken":     get[first.Token](),
	"GetAllTokens": listTokens(),
}

// ofTasks are the methods of what holds tasks or task runs, of either schema.
func ofTasks[L, R, T any, PL pipelineRecord[L], PR runRecord[R], PT taskRunRecord[T]]() map[string]method {
	return map[string]method{
		"AddPipeline":     add[L, PL](),
		"UpdatePipeline":  update[L, PL](errNotFound),
		"GetPipeline":     get[L, PL](),
		"GetAllPipelines": list[L, PL](listing{field: "Created", reverse: true}),

		"AddRun":     addRun[L, R, PL, PR](),
		"UpdateRun":  update[R, PR](errNotFound),
		"GetRun":     get[R, PR](),
		"GetAllRuns": list[R, PR](listing{field: "ID", reverse: true}),

		"AddTaskRun": addTaskRun[R, T, PR, PT](),
		// Gofer mistakes which error says that there is nothing to update.
		"UpdateTaskRun":  update[T, PT](storm.ErrNotFound),
		"GetTaskRun":     get[T, PT](),
		"GetAllTaskRuns": list[T, PT](listing{field: "Created", whole: true, missing: storm.ErrNotFound}),
	}
}

func merged(tables ...map[string]method) map[string]method {
	all := map[string]method{}
	for _, table := range tables {
		maps.Copy(all, table)
	}
	return all
}
