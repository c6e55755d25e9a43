# Everything here runs in a virtual environment inside the project: nothing is asked, nothing else is touched.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help test lint types format bench serve lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements/constraints.txt scripts/install.sh scripts/fetch_pip.py
	@sh scripts/install.sh "$(PYTHON)" "$(VENV)"
	@touch $@

test: $(READY) lint types ## Lint, types, every test
	$(BIN)/python -m pytest

lint: $(READY) ## Formatter and linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(READY) ## Put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(READY) ## Strict types
	$(BIN)/mypy

bench: $(READY) ## Speed and memory, into docs/performance.md
	$(BIN)/python -m benchmarks

serve: $(READY) ## The HTTP service, on API_HOST and API_PORT
	$(BIN)/python -m energy_dissagregation_mlops.api

lock: $(READY) ## Choose anew what is pinned (uv reads pyproject.toml)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
	  --no-emit-find-links --no-emit-index-url --custom-compile-command 'make lock' \
	  pyproject.toml requirements/build.in -o requirements/constraints.txt

clean: ## Remove what make made; data and models stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
