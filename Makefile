# Everything runs from .venv, which `make setup` fills; nothing needs to be activated.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; \
  then echo $$python; break; fi; done)
BIN := .venv/bin
CODE := $(wildcard shared chat_service automation_service gateway devstack clients/python/rota_client tests tools bench)
# Two more than cores: many tests wait for processes, streams and clocks.
WORKERS ?= $(shell echo $$(( $$(nproc) + 2 )))
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-header --no-annotate

.PHONY: help setup run test check format gen page baseline lock bench clean

help: ## Says what there is to make.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: ## Installs everything into .venv, exactly as locked; quick when it is there.
	@[ -n "$(PYTHON)" ] || { echo "make setup: Python 3.11 to 3.14 is needed:" \
	  "sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) tools/setup.py

run: setup ## Runs the whole system; Ctrl-C stops all of it.
	@exec $(BIN)/python -m devstack

test: setup ## Runs the whole test suite.
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

check: setup ## Formatting, lint, types, imports, protos, generated code and pages.
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/buf format --diff --exit-code --path proto/rota
	$(BIN)/buf lint
	$(BIN)/python tools/proto_baseline.py
	$(BIN)/python tools/generate.py --check
	$(BIN)/python tools/page.py --check
	$(BIN)/python tools/configuration.py --check

format: setup ## Formats code and protos.
	$(BIN)/ruff check --fix --quiet --exit-zero .
	$(BIN)/ruff format --quiet .
	$(BIN)/buf format --write --path proto/rota

gen: setup ## Generates what comes of the protos.
	@$(BIN)/python tools/generate.py
	@$(BIN)/python tools/proto_baseline.py --add

page: setup ## Builds the page from gateway/web.
	@$(BIN)/python tools/page.py

baseline: setup ## Makes the protos as they are what may not break; needs an ADR.
	@$(BIN)/python tools/proto_baseline.py --write

lock: setup ## Pins what the pyproject.toml files ask for.
	$(COMPILE) pyproject.toml clients/python/pyproject.toml --group run --group dev \
	  --output-file requirements.lock
	$(COMPILE) pyproject.toml --constraint requirements.lock --output-file requirements-service.lock

bench: setup ## Runs the benchmarks.
	@$(BIN)/python -m bench

clean: ## Removes what was installed and cached; the state folder stays.
	rm -rf .venv proto/third_party .setup-lock .gen-* .mypy_cache .ruff_cache .pytest_cache \
	  .import_linter_cache .hypothesis gateway/web/node_modules gateway/web/src/gen tests/web/screenshots
