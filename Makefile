# Everything goes through here; each target does its own set-up.
PYTHON ?= $(shell sh deployments/python.sh)
VENV := .venv
BIN := $(VENV)/bin
# Compiled modules are kept, whatever the shell says: a start takes half as long with them.
unexport PYTHONDONTWRITEBYTECODE
STAMP := $(VENV)/.installed
NODE_STAMP := $(VENV)/.node-installed

.PHONY: help demo test test-page sim mutants scenarios conformance backtest bench profile bench-fair-anchor lint install lock clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: install    ## the bot on the embedded exchange, with takers; SECONDS=30 ends by itself; VENUE=derive, ethereal, coinbase
	@$(BIN)/python -m integration_harness.demo$(if $(VENUE),.$(VENUE)) $(if $(filter environment% file% command% override%,$(origin SECONDS)),--seconds $(SECONDS))

test: install lint ## types, lint, import rules and every test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-page: install ## drives the status page in headless Chromium
	$(BIN)/python -m tests.page.browser page-pictures

sim: install ## the loop on a model exchange; SEEDS=n FROM=k, FEATURES=1, WIRE=1 below the adapter
	$(BIN)/python -m tests.sim --seeds $(or $(SEEDS),1000) --from $(or $(FROM),0) $(if $(FEATURES),--features) $(if $(WIRE),--wire)

mutants: install ## the core with one thing done otherwise, against its tests; MODULES="risk exact" SAMPLE=n
	$(BIN)/python -m tests.mutation $(MODULES) $(if $(SAMPLE),--sample $(SAMPLE))

scenarios: install ## every live scenario on the local exchange; ROUNDS=3 for a longer run
	$(BIN)/python -m integration_harness all $(if $(ROUNDS),--rounds $(ROUNDS))

conformance: install ## every claim of the kit on one exchange; VENUE=derive SEEDS=5 JOBS=2
	$(BIN)/python -m integration_harness.conformance --venue $(or $(VENUE),numo) --seeds $(or $(SEEDS),1) --jobs $(or $(JOBS),1)

backtest: install ## trades a generated market, or EXPERIMENT=file.toml, and writes a report
	@$(BIN)/mm-backtest run $(EXPERIMENT) --out backtest-report

bench: install   ## the bot against the same work done plainly, 15 minutes; SHORT=1 for less
	$(BIN)/python -m tests.benchmarks $(if $(SHORT),--short) --svg docs/latency.svg $(BENCH_ARGS)

profile: install ## a flame graph of the cycle, and where the start's time goes
	$(BIN)/python -m tests.benchmarks.profile

bench-fair-anchor: install ## latency of the fair-value service against a constant answer
	$(BIN)/python -m integration_harness.benchmarks.fair_anchor

lint: install    ## ruff, mypy --strict, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(STAMP) $(NODE_STAMP) ## .venv with everything, pinned with hashes

# The lock is whole: what it leaves out of hftbacktest's wishes (pyproject.toml) is not to be fetched.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "$(VENV) is made with $(PYTHON); another one: make PYTHON=python3.12"; $(PYTHON) -m venv $(VENV); }
	@echo "installing the locked packages into $(VENV) (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --no-compile -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m mm_bot.generated_code
	@touch $@

$(NODE_STAMP): $(STAMP) integration_harness/stack/package-lock.json
	@$(BIN)/python -m integration_harness.stack.install
	@touch $@

UV_LOCK := uv pip compile --universal --generate-hashes --no-emit-index-url \
	--no-emit-find-links --python-version 3.11

lock:            ## resolve the versions anew (needs uv)
	$(UV_LOCK) pyproject.toml --all-extras --group dev -o requirements.lock
	$(UV_LOCK) pyproject.toml --extra fast -o requirements-run.lock -c requirements.lock
	echo 'setuptools>=77' | $(UV_LOCK) - -o requirements-build.lock

clean:           ## remove what install made
	rm -rf $(VENV) integration_harness/stack/node_modules integration_harness/stack/contracts/build
