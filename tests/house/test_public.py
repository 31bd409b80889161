"""What the packages promise: the names, a docstring for each of them, and how they load.

The lists are written out on purpose. A name that appears or goes is a change of the interface, and shows here.
"""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import pytest

import boltpy
import engine

ROOT = Path(__file__).resolve().parents[2]

BOLTPY = """
    open compact HOT
    DB Tx Bucket Cursor Options
    Stats TxStats BucketStats BucketStructure PageInfo Info Problem
    BoltError InvariantError
    DatabaseError DatabaseNotOpenError InvalidDatabaseError VersionMismatchError ChecksumError LockTimeoutError
    DatabaseReadOnlyError FreePagesNotLoadedError StorageError CorruptError BackupError BusyWriterError
    TxError TxNotWritableError TxClosedError TxManagedError
    BucketError BucketNotFoundError BucketExistsError BucketNameRequiredError IncompatibleValueError SameBucketError
    DifferentDatabaseError
    LimitError KeyRequiredError KeyTooLargeError ValueTooLargeError MaxSizeReachedError
"""

ENGINE = """
    open_engine register Engine
    open_object_store ObjectStore open_secret_store SecretStore
    Namespace Token Pipeline Task PipelineTriggerConfig Run RunFailure TaskRun TaskRunFailure TriggerEvent TriggerResult
    RunRegistryKey DockerRegistryAuth RegistryAuth Exec Event
    PipelineState RunState RunFailureKind ContainerState TaskRunFailureKind TriggerResultState TriggerState TokenKind
    RequiredParentState
    encode decode
    EngineError EntityNotFound EntityExists PreconditionFailed Conflict OutcomeUnknown
    TransactionTooLarge
    Watch Change Counter
"""

# Which class a caller may catch instead, and which builtin where Python code would look for one.
BASES: dict[str, tuple[type[Exception], ...]] = {
    "InvariantError": (boltpy.BoltError,),
    "DatabaseError": (boltpy.BoltError,),
    "TxError": (boltpy.BoltError,),
    "BucketError": (boltpy.BoltError,),
    "LimitError": (boltpy.BoltError,),
    "DatabaseNotOpenError": (boltpy.DatabaseError,),
    "InvalidDatabaseError": (boltpy.DatabaseError,),
    "VersionMismatchError": (boltpy.DatabaseError,),
    "ChecksumError": (boltpy.DatabaseError,),
    "LockTimeoutError": (boltpy.DatabaseError, TimeoutError),
    "DatabaseReadOnlyError": (boltpy.DatabaseError,),
    "FreePagesNotLoadedError": (boltpy.DatabaseError,),
    "StorageError": (boltpy.DatabaseError, OSError),
    "CorruptError": (boltpy.DatabaseError,),
    "BackupError": (boltpy.DatabaseError,),
    "BusyWriterError": (boltpy.DatabaseError,),
    "TxNotWritableError": (boltpy.TxError,),
    "TxClosedError": (boltpy.TxError,),
    "TxManagedError": (boltpy.TxError,),
    "BucketNotFoundError": (boltpy.BucketError, LookupError),
    "BucketExistsError": (boltpy.BucketError,),
    "BucketNameRequiredError": (boltpy.BucketError, ValueError),
    "IncompatibleValueError": (boltpy.BucketError,),
    "SameBucketError": (boltpy.BucketError,),
    "DifferentDatabaseError": (boltpy.BucketError,),
    "KeyRequiredError": (boltpy.LimitError, ValueError),
    "KeyTooLargeError": (boltpy.LimitError, ValueError),
    "ValueTooLargeError": (boltpy.LimitError, ValueError),
    "MaxSizeReachedError": (boltpy.LimitError,),
}

MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__").replace("/", ".")
    for package in ("boltpy", "engine")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__main__.py"
)

# None in sys.modules is how an interpreter says that a module is not to be found.
WITHOUT_EXTENSION = "import sys; sys.modules['boltpy.hot._kernels'] = None"


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter at the root of the project, with warnings as errors."""
    kept = {name: value for name, value in os.environ.items() if name != "BOLTPY_HOT"}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def extension_is_built() -> bool:
    return any((ROOT / "boltpy" / "hot" / f"_kernels{suffix}").exists() for suffix in EXTENSION_SUFFIXES)


def undocumented(package: ModuleType) -> Iterator[str]:
    """The public names of `package`, and those of its classes, that have no docstring of their own."""
    for name in package.__all__:
        item = getattr(package, name)
        if not (inspect.isclass(item) or inspect.isroutine(item)):
            continue
        if not (item.__doc__ or "").strip():
            yield f"{package.__name__}.{name}"
        if inspect.isclass(item):
            for member_name, member in vars(item).items():
                described = isinstance(member, property | staticmethod | classmethod) or inspect.isfunction(member)
                if described and not member_name.startswith("_") and not (member.__doc__ or "").strip():
                    yield f"{package.__name__}.{name}.{member_name}"


@pytest.mark.parametrize(("package", "names"), [(boltpy, BOLTPY), (engine, ENGINE)], ids=["boltpy", "engine"])
def test_the_public_names_are_these(package: ModuleType, names: str) -> None:
    assert sorted(package.__all__) == sorted(names.split())
    assert not [name for name in package.__all__ if not hasattr(package, name)]


def test_what_is_no_public_name_is_an_attribute_error() -> None:
    assert {"open", "compact", "__version__"} <= set(dir(boltpy))
    assert {"Engine", "open_engine"} <= set(dir(engine))
    for package in boltpy, engine:
        with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
            package.nothing  # noqa: B018
        # A module of the package takes the place of a name that is called like it.
        assert not [name for name in package.__all__ if (ROOT / package.__name__ / f"{name}.py").exists()]


@pytest.mark.parametrize("package", [boltpy, engine], ids=["boltpy", "engine"])
def test_every_public_name_is_documented(package: ModuleType) -> None:
    assert not list(undocumented(package))


@pytest.mark.parametrize("name", BASES)
def test_errors_have_their_bases(name: str) -> None:
    assert getattr(boltpy, name).__bases__ == BASES[name]


def test_every_error_is_in_the_tree() -> None:
    errors = {name for name in boltpy.__all__ if name.endswith("Error")}
    assert errors == {"BoltError", *BASES}


def test_the_version_is_said_once_for_users_and_tools() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert boltpy.__version__ == project["version"]
    assert f"## [{boltpy.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_each_command_leads_to_a_function() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for target in project["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("module", MODULES)
def test_each_module_loads_alone_and_in_silence(module: str) -> None:
    result = run_python("-c", f"import {module}")
    if module in ("boltpy.hot.native", "boltpy.hot.native_read") and not extension_is_built():
        assert "No module named 'boltpy.hot._kernels'" in result.stderr
        return
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("package", ["boltpy", "engine"])
def test_each_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


class TestChoiceOfKernels:
    def test_c_is_the_default_where_it_is_built(self) -> None:
        result = run_python("-c", "import boltpy; print(boltpy.HOT)")
        assert result.stdout.strip() == ("c" if extension_is_built() else "py"), result.stderr

    def test_python_can_be_forced(self) -> None:
        result = run_python("-c", "import boltpy; print(boltpy.HOT)", BOLTPY_HOT="py")
        assert result.stdout.strip() == "py", result.stderr

    def test_a_missing_extension_is_made_up_for(self) -> None:
        result = run_python("-c", f"{WITHOUT_EXTENSION}; import boltpy; print(boltpy.HOT)")
        assert result.stdout.strip() == "py", result.stderr

    def test_a_missing_extension_is_an_error_where_c_is_forced(self) -> None:
        result = run_python("-c", f"{WITHOUT_EXTENSION}; from boltpy import open", BOLTPY_HOT="c")
        assert result.returncode != 0
        assert "ImportError" in result.stderr.splitlines()[-1]

    def test_an_unknown_choice_is_an_error(self) -> None:
        result = run_python("-c", "from boltpy import open", BOLTPY_HOT="rust")
        assert result.returncode != 0
        assert "BOLTPY_HOT" in result.stderr.splitlines()[-1]
        assert "rust" in result.stderr.splitlines()[-1]

    def test_this_run_uses_what_it_was_asked_for(self) -> None:
        asked = os.environ.get("BOLTPY_HOT")
        assert not asked or asked == boltpy.HOT
