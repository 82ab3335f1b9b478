# `make` alone prints this. Everything that is needed beyond python3, pip, git and make is brought
# into this folder: uv into .tools, the environment into .venv.

UV_VERSION := 0.13.9
UV := .tools/bin/uv
RUN := $(UV) run --locked --no-sync
# Tests wait for servers and processes half of the time, so there are more of them than processors.
WORKERS ?= $(shell python3 -c 'import os; print(min(8, 2 * (os.cpu_count() or 1)))')

.DEFAULT_GOAL := help
.PHONY: help env demo test test-slow test-all chaos mutations lint types contracts check docs bench format lock clean

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
		--target .tools uv==$(UV_VERSION)

env: $(UV) ## Build the environment from the lock file
	@$(UV) sync --locked --quiet

demo: env ## Catalog a handful of sample clips offline and show the result
	@.venv/bin/reelcat demo

test: env ## Pass the tests that take minutes
	@$(RUN) pytest -n $(WORKERS) -m "not slow and not matrix"

test-slow: env ## Pass the others: whole deployments, kill points, README, wheel
	@$(RUN) pytest -n $(WORKERS) -m "slow and not matrix and not alone"
	@$(RUN) pytest -m alone tests/acceptance

test-all: env ## Pass all of them, every fault and kill on both databases
	@$(RUN) pytest -n $(WORKERS) -m "not alone"
	@$(RUN) pytest -m alone tests/acceptance

chaos: env ## Play 1000 histories of faults and kills; SEED=7 plays one, KINDS=sleeper,skew those
	@PYTHONPATH=tests/support:tests $(RUN) python -m chaos $(if $(SEED),--seed $(SEED)) $(if $(HISTORIES),--histories $(HISTORIES)) $(if $(KINDS),--kinds $(KINDS))

mutations: env ## Break the product on purpose and see that the suite notices; NAMES="retry-post" tries one
	@$(RUN) python tests/mutations.py $(NAMES)

lint: env ## Check style and formatting
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: env ## Check types
	@$(RUN) mypy

contracts: env ## Check which package imports which, and that what is imported is declared
	@$(RUN) lint-imports
	@$(RUN) deptry catalog tasks flows

check: lint types contracts test ## Do what decides about a change, but for the slow tests

docs: env ## Write the pages that come from the program
	@$(RUN) python docs/generate.py

bench: env ## Measure, all or NAME=…, and note the results
	@$(UV) sync --locked --quiet --group bench
	@PYTHONDONTWRITEBYTECODE= $(RUN) python benchmarks $(NAME)

format: env ## Mend style and formatting
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

lock: $(UV) ## Resolve the dependencies anew
	@$(UV) lock

clean: ## Remove what was built here
	rm -rf .venv .tools dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
