"""The version, for those who need nothing else."""

VERSION = "0.1.0"
