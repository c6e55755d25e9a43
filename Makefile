# Everything here runs in a virtual environment inside the project: nothing is asked, nothing else is touched.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test test-quick lint types format bench bench-api bench-scale serve lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements/constraints.txt scripts/install.sh scripts/fetch_pip.py
	@sh scripts/install.sh "$(PYTHON)" "$(VENV)"
	@touch $@

# The demo: homes 1 to 45 are trained on, home 46 is never seen. Each step is the command you would type for
# your own data, and is run again only when something that it is made from has changed.
DEMO_HOME := 46
DEMO_RAW := data/raw/demo.h5
DEMO_STORE := data/processed/60s/demo/house_$(DEMO_HOME)/manifest.json
DEMO_MODEL := models/demo/production.json
DEMO_FOUND := reports/demo/appliances.parquet
ROOMS := src/energy_dissagregation_mlops
EDMLOPS := DATA_PATH=data MODELS_PATH=models CONFIGS_PATH=configs $(BIN)/edmlops

demo: $(READY) $(DEMO_FOUND) ## Simulated homes, preprocess, train, evaluate on a home never seen, predict, report
	@$(EDMLOPS) evaluate --bundle demo --house demo:$(DEMO_HOME) --picture reports/demo/day.png
	@printf '%s\n' "bundle:      models/demo/$$(sed -n 's/.*"production": //p' $(DEMO_MODEL))" \
	  "predictions: $(DEMO_FOUND)" "one day:     reports/demo/day.png"

$(DEMO_RAW): configs/simulation.yaml $(wildcard $(ROOMS)/datasets/simulated/*.py) | $(READY)
	$(EDMLOPS) simulate --houses $(DEMO_HOME) --days 10 --seed 7 --output $@

$(DEMO_STORE): $(DEMO_RAW) configs/appliances.yaml $(ROOMS)/preprocessing.py $(ROOMS)/signals.py $(ROOMS)/activations.py
	$(EDMLOPS) preprocess --data-path $(DEMO_RAW) --output-folder data/processed
	@touch $@

$(DEMO_MODEL): $(DEMO_STORE) configs/demo.yaml $(wildcard $(ROOMS)/training/*.py $(ROOMS)/networks/*.py)
	$(EDMLOPS) train --config configs/demo.yaml
	@touch $@

$(DEMO_FOUND): $(DEMO_MODEL) $(wildcard $(ROOMS)/inference/*.py)
	$(EDMLOPS) predict $(DEMO_RAW) --house $(DEMO_HOME) --bundle demo --output $@

# The page's chart, what shows the API's document, and what tests check with; where npm can't be reached they say so.
WEB := $(ROOMS)/service/web/vendor/.fetched
WEB_DEV := node_modules/.fetched

$(WEB): package-lock.json scripts/fetch_web.py | $(READY)
	-@$(BIN)/python scripts/fetch_web.py

$(WEB_DEV): package-lock.json scripts/fetch_web.py | $(READY)
	-@$(BIN)/python scripts/fetch_web.py --dev

test: $(READY) $(WEB) $(WEB_DEV) lint types ## Lint, types, every test
	$(BIN)/python -m pytest

test-quick: $(READY) $(WEB) $(WEB_DEV) ## Every test that takes less than five seconds and needs no container
	$(BIN)/python -m pytest -m "not slow and not containers"

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

bench-api: $(READY) ## The API's rate, latency and memory, into docs/performance.md (needs h2load)
	$(BIN)/python -m benchmarks api

bench-scale: $(READY) ## Homes a second on one worker and on two, into docs/performance.md (OPTIONS=--go-on after an interruption)
	$(BIN)/python -m benchmarks scale -- $(OPTIONS)

serve: $(READY) $(WEB) ## The HTTP service, on API_HOST and API_PORT
	$(BIN)/python -m energy_dissagregation_mlops.api

lock: ## Choose anew what is pinned (uv reads pyproject.toml)
	@[ -x $(BIN)/uv ] || $(MAKE) $(READY)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
	  --no-emit-find-links --no-emit-index-url --custom-compile-command 'make lock' \
	  pyproject.toml requirements/build.in -o requirements/constraints.txt
	sed -n 's/^mlflow-skinny==/mlflow==/p' requirements/constraints.txt | \
	  $(BIN)/uv pip compile --quiet --python-version 3.11 --python-platform linux --no-annotate \
	  --no-emit-find-links --no-emit-index-url --custom-compile-command 'make lock' \
	  - requirements/tracking.in -o requirements/tracking.txt

clean: ## Remove what make made; data and models stay
	rm -rf $(VENV) build dist node_modules $(ROOMS)/service/web/vendor .pytest_cache .mypy_cache .ruff_cache .hypothesis
