"""Imports go down: each module stands on a floor and uses only the floors below it.

The floors are the table below, lowest first; modules of one floor do not see each other. A new module gets its place
here first. A second table, the doors, says who may use `struct` (each byte layout has one home), `os`, `mmap` and
`fcntl` (the disk has one door) and the environment. Everything is read with `ast`; nothing of the project is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Files without ".py", below the package's folder.
FLOORS = {
    "boltpy": (
        "errors format checksum stats changes known_plain ownership version hot/build",
        "storage batch open_txs salvage/pages salvage/__init__ jsonl hot/raw_page snapshot/fingerprints",
        "options hot/packing hot/pure_changes hot/pure_ids hot/pure_node hot/pure_read files",
        "hot/pure_write hot/native_read",
        "hot/native",
        "hot/__init__",
        "meta spans freelist_page rebalance salvage/report",
        "freelist tree check birth raw_file salvage/output salvage/source",
        "bucket_state cursor salvage/base page_items live",
        "ranges spill census salvage/walk key_paths",
        "nesting commit salvage/recovery",
        "bucket",
        "tx",
        "managed_tx walking difference page_map snapshot/states snapshot/stream",
        "db exporting usage sqlite_copy snapshot/seals snapshot/reading",
        "opening snapshot/scrubbing snapshot/sealing snapshot/backups snapshot/chains",
        "dense_copy importing snapshot/restoring",
        "public compact_file surgery printing snapshot/__init__",
        "__init__",
        "cli/command cli/progress",
        "cli/parsing cli/picture cli/formats cli/opening cli/live_copies cli/table",
        "cli/workloads cli/manual cli/versions cli/facts cli/listing cli/checking cli/measuring cli/raw"
        " cli/compacting cli/surgery cli/moving cli/paths cli/scrubbing cli/backing_up",
        "cli/helping cli/completing cli/comparing cli/shapes cli/changing cli/bench",
        "cli/__init__",
        "__main__",
    ),
    "engine": (
        "errors gojson counters",
        "codecs classes processes",
        "compiled watching",
        "wire",
        "models forms storm/layout",
        "arguments optional places storm/files storm/indexes storm/key_values tools/__init__",
        "interface storm/reading",
        "storm/records",
        "storm/__init__",
        "event_log validation telling tools/kinds",
        "transactions tools/walking",
        "tempers",
        "bolt_queries store_files",
        "bolt objects secrets",
        "etcd/address etcd/messages etcd/layout etcd/turns",
        "etcd/channels",
        "etcd/work etcd/watches",
        "etcd/commits",
        "etcd/groups",
        "etcd/queries",
        "etcd/engine",
        "etcd/__init__",
        "opening",
        "public survey tools/indexes tools/findings",
        "__init__ tools/pieces tools/relations tools/statistics tools/claims",
        "report tools/filling tools/lines tools/checking tools/migrating",
        "tools/exporting tools/aside tools/copying cli/output",
        "tools/repair",
        "cli/looking cli/moving cli/checking",
        "cli/__init__",
        "__main__",
    ),
}

# What the build generates, and the modules that may import it.
GENERATED = {"boltpy.hot._kernels": "boltpy/hot/native boltpy/hot/native_read"}

# Who may import these. What HARMLESS lists opens nothing: all may name the type of a path or of a map.
DOORS = {
    "cffi": "boltpy/hot/build boltpy/storage",
    "ctypes": "",
    "fcntl": "boltpy/storage",
    "mmap": "boltpy/storage",
    "os": "boltpy/files boltpy/storage boltpy/ownership boltpy/hot/__init__ boltpy/compact_file boltpy/surgery"
    " boltpy/printing"
    " boltpy/cli/compacting boltpy/cli/bench boltpy/cli/formats boltpy/cli/listing boltpy/cli/measuring"
    " boltpy/cli/opening engine/cli/output engine/etcd/address engine/processes",
    "struct": "boltpy/snapshot/seals boltpy/snapshot/stream boltpy/format boltpy/hot/native boltpy/hot/native_read"
    " boltpy/tree",
    # An import that is written as a call would pass by all that is checked here.
    # These load late what not everybody needs; what they load stands in one place.
    "importlib": "boltpy/__init__ boltpy/__main__ boltpy/cli/opening boltpy/cli/table boltpy/opening engine/__init__"
    " engine/__main__ engine/opening",
}
HARMLESS = {("os", "PathLike"), ("os", "fspath"), ("mmap", "mmap")}
ENVIRONMENT_READERS = "boltpy/hot/__init__ boltpy/printing engine/cli/output engine/etcd/address"

# These load their own imports when they are asked for, and show them to type checkers only.
LATE = ("boltpy/__init__", "engine/__init__")

MAX_LINES = 399


class Module:
    """One source file: `name` as in `boltpy/hot/native`, `dotted` as in `boltpy.hot.native`."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.package = name.partition("/")[0]
        self.is_package = name.endswith("/__init__")
        self.dotted = name.removesuffix("/__init__").replace("/", ".")
        self.line_count = source.count("\n")
        self.tree = ast.parse(source, filename=f"{name}.py")

    def imports(self) -> Iterator[tuple[ast.stmt, str, str]]:
        """Each import as (statement, absolute module, name); the name is "" for a plain `import module`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node, alias.name, ""
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parents = self.dotted.split(".")
                    parents = parents[: len(parents) - node.level + (1 if self.is_package else 0)]
                    base = ".".join([*parents, base] if base else parents)
                for alias in node.names:
                    yield node, base, alias.name

    def own_imports(self) -> Iterator[tuple[ast.stmt, str]]:
        """The imports of this project's modules, as (statement, dotted module)."""
        for node, base, name in self.imports():
            if base.partition(".")[0] in FLOORS:
                # `from boltpy.hot import native` takes a module, `from boltpy.hot import seek` a name of its package.
                submodule = f"{base}.{name}"
                yield node, submodule if submodule in BY_DOTTED or submodule in GENERATED else base


def read_modules() -> list[Module]:
    paths = [path for package in FLOORS for path in sorted((ROOT / package).rglob("*.py"))]
    return [Module(path.relative_to(ROOT).with_suffix("").as_posix(), path.read_text("utf-8")) for path in paths]


MODULES = read_modules()
BY_DOTTED = {module.dotted: module for module in MODULES}
FLOOR_OF = {
    f"{package}/{name}": floor
    for package, floors in FLOORS.items()
    for floor, names in enumerate(floors)
    for name in names.split()
}

every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def public_names(package: str) -> set[str]:
    """What `__all__` of the package's `__init__` lists."""
    for node in BY_DOTTED[package].tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{package}/__init__.py has no literal __all__")


def climbing_imports(module: Module) -> Iterator[str]:
    here = FLOOR_OF[module.name]
    for node, target in module.own_imports():
        line = f"{module.name}.py:{node.lineno} (floor {here})"
        if target in GENERATED:
            if module.name not in GENERATED[target].split():
                yield f"{line} imports {target}, which is for {GENERATED[target]} only"
        elif target not in BY_DOTTED:
            yield f"{line} imports {target}, which is not there"
        elif BY_DOTTED[target].package == module.package:
            floor = FLOOR_OF.get(BY_DOTTED[target].name, -1)
            if floor >= here:
                way = "sideways" if floor == here else "upward"
                yield f"{line} imports {way}: {target} (floor {floor}). Take it as an argument or say it as a Protocol"


def hidden_imports(module: Module) -> Iterator[str]:
    """Own imports that do not run when the module is loaded, and so would hide a circle."""
    own = {id(node) for node, _ in module.own_imports()}
    for parent in ast.walk(module.tree):
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            where = "in a function"
        elif isinstance(parent, ast.If) and "TYPE_CHECKING" in ast.unparse(parent.test) and module.name not in LATE:
            where = "under TYPE_CHECKING"
        else:
            continue
        for node in ast.walk(parent):
            if id(node) in own and isinstance(node, ast.stmt):
                yield f"{module.name}.py:{node.lineno} imports {where}: {ast.unparse(node)}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__import__":
            yield f"{module.name}.py:{node.lineno} calls __import__"


def peeks_into_boltpy(module: Module) -> Iterator[str]:
    """What a module of engine uses of boltpy beyond its public names."""
    public = public_names("boltpy") | {"__version__"}
    for node, base, name in module.imports():
        if base.partition(".")[0] == "boltpy" and (base != "boltpy" or name not in public | {""}):
            yield f"{module.name}.py:{node.lineno}: {ast.unparse(node)}"
    for use in ast.walk(module.tree):
        if isinstance(use, ast.Attribute) and ast.unparse(use.value) == "boltpy" and use.attr not in public:
            yield f"{module.name}.py:{use.lineno}: boltpy.{use.attr} is not in boltpy.__all__"


def wrong_doors(module: Module) -> Iterator[str]:
    for node, base, name in module.imports():
        top = base.partition(".")[0]
        if top in DOORS and (top, name) not in HARMLESS and module.name not in DOORS[top].split():
            yield f"{module.name}.py:{node.lineno} imports {top}, which is for {DOORS[top] or 'nobody'}"
    for use in ast.walk(module.tree):
        if isinstance(use, ast.Call) and ast.unparse(use.func) == "mmap" and module.name not in DOORS["mmap"].split():
            yield f"{module.name}.py:{use.lineno} makes a map, which is for {DOORS['mmap']}"
    if module.name not in ENVIRONMENT_READERS.split():
        for use in ast.walk(module.tree):
            if isinstance(use, ast.Attribute) and use.attr in {"environ", "environb", "getenv", "getenvb"}:
                yield f"{module.name}.py:{use.lineno} reads the environment, which is for {ENVIRONMENT_READERS}"


def test_each_module_has_its_floor() -> None:
    missing = sorted({module.name for module in MODULES} - FLOOR_OF.keys())
    assert not missing, f"{missing} stand on no floor: add them to FLOORS in {Path(__file__).name}"
    gone = sorted(FLOOR_OF.keys() - {module.name for module in MODULES})
    assert not gone, f"{gone} have a floor but no file: take them out of FLOORS in {Path(__file__).name}"


@every_module
def test_imports_go_down(module: Module) -> None:
    assert module.name in FLOOR_OF, f"{module.name} stands on no floor: add it to FLOORS in {Path(__file__).name}"
    assert not list(climbing_imports(module))


@every_module
def test_own_imports_stand_at_the_top_of_the_module(module: Module) -> None:
    assert not list(hidden_imports(module))


@every_module
def test_engine_and_boltpy_meet_only_at_the_public_names(module: Module) -> None:
    if module.package == "engine":
        assert not list(peeks_into_boltpy(module))
    else:
        assert "engine" not in {target.partition(".")[0] for _, target in module.own_imports()}


@every_module
def test_layouts_disk_and_environment_have_their_doors(module: Module) -> None:
    assert not list(wrong_doors(module))


@every_module
def test_a_file_holds_one_concept(module: Module) -> None:
    assert module.line_count <= MAX_LINES, (
        f"{module.name}.py has {module.line_count} lines: what is its second concept?"
    )


def test_the_doors_lead_somewhere() -> None:
    listed = {name for names in [*DOORS.values(), ENVIRONMENT_READERS] for name in names.split()}
    gone = sorted(listed - {module.name for module in MODULES})
    assert not gone, f"{gone} are named in DOORS or ENVIRONMENT_READERS, but have no file"


class TestTheChecksThemselves:
    """Each rule, on a line that breaks it."""

    @pytest.mark.parametrize(
        "line",
        [
            "from .bucket import Bucket",
            "from . import bucket",
            "from boltpy import bucket",
            "from boltpy.bucket import Bucket",
            "import boltpy.bucket",
            "import boltpy",
            "from .cursor import Cursor",
            "from .hot import _kernels",
            "from .nowhere import nothing",
        ],
    )
    def test_a_climb_is_seen(self, line: str) -> None:
        assert list(climbing_imports(Module("boltpy/cursor", line)))

    def test_a_step_down_is_fine(self) -> None:
        assert not list(climbing_imports(Module("boltpy/cursor", "from . import tree\nfrom .errors import BoltError")))

    @pytest.mark.parametrize(
        "source",
        [
            "def late():\n    from .errors import BoltError",
            "if TYPE_CHECKING:\n    from .errors import BoltError",
            "page = __import__('boltpy.page')",
        ],
    )
    def test_a_hidden_import_is_seen(self, source: str) -> None:
        assert list(hidden_imports(Module("boltpy/cursor", source)))

    @pytest.mark.parametrize(
        "source", ["import boltpy.db", "from boltpy.db import DB", "from boltpy import db", "boltpy.tx.Tx"]
    )
    def test_a_peek_is_seen(self, source: str) -> None:
        assert list(peeks_into_boltpy(Module("engine/bolt", source)))

    @pytest.mark.parametrize(
        "source", ["import os", "from os import replace", "import struct", "os.environ", "import mmap", "mmap(3, 4096)"]
    )
    def test_a_wrong_door_is_seen(self, source: str) -> None:
        assert list(wrong_doors(Module("boltpy/cursor", source)))

    def test_a_type_needs_no_door(self) -> None:
        assert not list(wrong_doors(Module("boltpy/db", "from os import PathLike\nfrom mmap import mmap")))
