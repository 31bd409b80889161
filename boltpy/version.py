"""The version, for those who need nothing else."""

from typing import Final

VERSION: Final = "0.1.0"
