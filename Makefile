# The commands of a working day. Each sets up .venv when it is missing or older than what describes it.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help build test deep bench lint format types

help:
	@echo "make build | test | deep | bench | lint | format | types"

build: .venv/ready

.venv/ready: pyproject.toml setup.py $(wildcard boltpy/hot/build.py boltpy/hot/kernels.*)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	BOLTPY_BUILD=require $(BIN)/pip install --quiet --editable '.[test]'
	touch $@

test: build
	BOLTPY_HOT=c $(BIN)/python -m pytest -n auto
	BOLTPY_HOT=py $(BIN)/python -m pytest -n auto

# The state machine with far more examples, freshly drawn each time: for a night, not for each change.
deep: build
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n auto --timeout=0 tests/property

# Beside the peers, for some minutes; `make bench ARGUMENTS=--quick` for a glance.
bench: build
	$(BIN)/python -m benchmarks run $(ARGUMENTS)

lint: build
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: build
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: build
	$(BIN)/mypy
