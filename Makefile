# Every target does the set-up it needs; a fresh machine needs git, make and Python 3.11 with venv.
SHELL := /bin/bash
PYTHON ?= python3
export PYTHON
BIN := .venv/bin

.PHONY: setup demo test lint bench mutation soak clean

setup: .venv/ready

.venv/ready: pyproject.toml sdk/pyproject.toml $(wildcard requirements/*.lock) scripts/setup.sh
	@bash scripts/setup.sh

demo: setup ## The main job end to end, on a real example
	@$(BIN)/aem demo

test: setup ## All tests that this machine allows; with CI set, all of them
	@bash scripts/with_services.sh $(BIN)/python -m pytest -n auto --dist loadfile -m "not soak"

lint: setup ## Format, lint, types, one-way imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## Benchmarks, each beside what it is compared with
	@bash scripts/with_services.sh $(BIN)/python -m benchmarks.order --json
	@$(BIN)/python -m benchmarks.ledger --json
	@$(BIN)/python -m benchmarks.half_year --json --records 50000

mutation: setup ## Which changes of the money code the tests do not notice
	@rm -rf mutants # else answers from before a test was written count
	@$(BIN)/mutmut run
	@$(BIN)/python scripts/mutation_score.py

soak: setup ## The full counts; takes hours
	@bash scripts/with_services.sh $(BIN)/python -m pytest
	@bash scripts/with_services.sh $(BIN)/python -m benchmarks.humaneval --json
	@$(BIN)/python -m benchmarks.ledger --json --seconds 20 --growth 10000000
	@$(MAKE) mutation

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mutants
