# The commands of a working day. Each sets up .venv when it is missing or older than what describes it.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help build test deep sanitize fuzz bench lint format types

help:
	@echo "make build | test | deep | sanitize | fuzz | bench | lint | format | types"

build: .venv/ready

.venv/ready: pyproject.toml setup.py $(wildcard boltpy/hot/build.py boltpy/hot/kernels.*)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	BOLTPY_BUILD=require $(BIN)/pip install --quiet --editable '.[test]'
	touch $@

test: build
	BOLTPY_HOT=c $(BIN)/python -m pytest -n auto
	BOLTPY_HOT=py $(BIN)/python -m pytest -n auto

# The tests of crashes, damage and threads, and the state machine, with far larger numbers, and what is drawn at random
# drawn afresh each time: for a night, not for each change.
deep: build
	HYPOTHESIS_PROFILE=deep BOLTPY_DEEP=1 $(BIN)/python -m pytest -n auto --timeout=0 \
		tests/property tests/crash tests/corrupt tests/concurrency tests/interop/test_kills.py tests/interop/test_soak.py

# The kernels and hostile files with the extension under AddressSanitizer and UBSan.
sanitize: build
	tests/corrupt/sanitize

# Coverage-guided, each target for so many seconds. What fails is left in build/crash-...
FUZZ_SECONDS ?= 600
FUZZ = $(BIN)/python -m tests.corrupt.fuzz

fuzz: build
	$(BIN)/pip install --quiet --editable '.[fuzz]'
	mkdir -p build
	BOLTPY_HOT=c $(FUZZ) pages -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build/
	BOLTPY_HOT=c $(FUZZ) file -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build/
	BOLTPY_HOT=py $(FUZZ) file -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build/

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
