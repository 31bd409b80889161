"""All that users of engine import, gathered; `engine` itself loads it when the first of the names is asked for."""

from __future__ import annotations

from .counters import Counter as Counter
from .errors import Conflict as Conflict
from .errors import EngineError as EngineError
from .errors import EntityExists as EntityExists
from .errors import EntityNotFound as EntityNotFound
from .errors import OutcomeUnknown as OutcomeUnknown
from .errors import PreconditionFailed as PreconditionFailed
from .errors import TransactionTooLarge as TransactionTooLarge
from .interface import Engine as Engine
from .models import ContainerState as ContainerState
from .models import DockerRegistryAuth as DockerRegistryAuth
from .models import Event as Event
from .models import Exec as Exec
from .models import Namespace as Namespace
from .models import Pipeline as Pipeline
from .models import PipelineState as PipelineState
from .models import PipelineTriggerConfig as PipelineTriggerConfig
from .models import RegistryAuth as RegistryAuth
from .models import RequiredParentState as RequiredParentState
from .models import Run as Run
from .models import RunFailure as RunFailure
from .models import RunFailureKind as RunFailureKind
from .models import RunRegistryKey as RunRegistryKey
from .models import RunState as RunState
from .models import Task as Task
from .models import TaskRun as TaskRun
from .models import TaskRunFailure as TaskRunFailure
from .models import TaskRunFailureKind as TaskRunFailureKind
from .models import Token as Token
from .models import TokenKind as TokenKind
from .models import TriggerEvent as TriggerEvent
from .models import TriggerResult as TriggerResult
from .models import TriggerResultState as TriggerResultState
from .models import TriggerState as TriggerState
from .models import decode as decode
from .objects import ObjectStore as ObjectStore
from .objects import open_object_store as open_object_store
from .opening import open_engine as open_engine
from .opening import register as register
from .secrets import SecretStore as SecretStore
from .secrets import open_secret_store as open_secret_store
from .watching import Change as Change
from .watching import Watch as Watch
from .wire import encode as encode
