"""Coverage-guided fuzzing with atheris, for as long as one likes: `make fuzz`.

Usage: python -m tests.corrupt.fuzz pages|file [CORPUS] [-max_total_time=SECONDS] [-runs=N] ...

Any input either gives a result or raises a BoltError. `pages` gives page images to both kinds of kernels, which must
answer alike; what guides it are the branches of the ones in Python. `file` damages a small database, uses it in every
way, and is guided by the branches of all of boltpy. Both know nothing of the format but where a page's id and a meta's
checksum are, which no fuzzer would guess. The other arguments are libFuzzer's. What fails is left in a file crash-...,
whose path as the last argument tries it again. With BOLTPY_HOT=c the kernels in C are what `file` runs on.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["boltpy"]):
    import boltpy
    from boltpy.hot import pure_changes, pure_ids, pure_node, pure_read, pure_write  # noqa: F401
from tests.boltpy.hostile import PAGE, reads
from tests.boltpy.merging import deletes, merge, puts
from tests.boltpy.rawfile import HEADER, META, fnv1a
from tests.boltpy.twins import NATIVE, PURE, Image, Twin, leaf_image, make_tree, numbered, outcome
from tests.corrupt.damage_worker import Uses
from tests.corrupt.samples import small_database

PROBES = [b"0001", b"0003+", b"\xff"]


def image_of(data: bytes) -> Image:
    """The input as pages; an id of zero is the right one."""
    root, hwm, body = 2 + data[0] % 6, data[1] % 12, bytearray(data[2:])
    for at in range(0, len(body), PAGE):
        pgid = 2 + at // PAGE
        own = int.from_bytes(body[at : at + 8].ljust(8, b"\0"), "little") ^ pgid
        body[at : at + 8] = own.to_bytes(8, "little")
    return Image(PAGE, bytes(2 * PAGE) + bytes(body), root, hwm=hwm)


def input_of(image: Image) -> bytes:
    """The input that stands for an image."""
    body = bytearray(image.data[2 * PAGE :])
    for at in range(0, len(body), PAGE):
        body[at : at + 8] = bytes(8)
    return bytes([image.root - 2, image.hwm]) + bytes(body)


def merges(twin: Twin, image: Image) -> list[object]:
    """What comes of merging into an image; why a tree is corrupt may be told in different words."""
    found: list[object] = []
    for changes in (puts(b"0002", b"0003+"), deletes(b"0000", b"0001", b"0002"), puts(b"a", value=bytes(700))):
        answer = outcome(partial(merge, twin, image, changes, hwm_limit=2**40))
        found.append(answer[:1] if answer[0] == "corrupt" else answer)
    return found


def one_image(data: bytes) -> None:
    """Fail unless both kinds of kernels answer alike."""
    if len(data) < 3:
        return
    image = image_of(data)
    assert reads(PURE, image, PROBES) == reads(NATIVE, image, PROBES)
    assert merges(PURE, image) == merges(NATIVE, image)


class OneFile:
    """Damages of one database, each used in every way."""

    def __init__(self, folder: Path) -> None:
        sound = small_database(folder / "sound.db")
        self.data = sound.read_bytes()
        self._uses = Uses(sound)
        self._path = folder / "damaged.db"

    def __call__(self, data: bytes) -> None:
        """Use the database that the input is. Args: data, the pages with the metas' checksums left out."""
        damaged = bytearray(data)
        for at in (HEADER.size, 1024 + HEADER.size):
            if len(damaged) >= at + META.size:
                damaged[at + META.size - 8 : at + META.size] = fnv1a(bytes(damaged[at : at + META.size - 8])).to_bytes(
                    8, "little"
                )
        self._path.write_bytes(damaged)
        for use in (self._uses.read, self._uses.compact, self._uses.write):
            with contextlib.suppress(boltpy.BoltError):
                use(self._path)


def seeds() -> list[bytes]:
    """Inputs to begin with: sound trees."""
    images = [
        make_tree(numbered(6), PAGE, per_leaf=3),
        make_tree(numbered(40), PAGE, per_leaf=4, per_branch=3),
        make_tree([(0, b"0001", bytes(400)), (1, b"0003", leaf_image(0, numbered(1)))], PAGE, per_leaf=1),
    ]
    return [input_of(image) for image in images]


def main() -> None:
    target, arguments = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        one_file = OneFile(folder)
        for number, seed in enumerate([one_file.data] if target == "file" else seeds()):
            (corpus / str(number)).write_bytes(seed)
        if not any(not argument.startswith("-") for argument in arguments):
            arguments.append(str(corpus))
        atheris.Setup([sys.argv[0], "-max_len=40000", *arguments], one_file if target == "file" else one_image)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
