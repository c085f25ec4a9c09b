# `make` or `make help` lists the targets; the text after ## is their help.

PYTHON ?= python3
BIN := .venv/bin
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
PYTEST = $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help venv install demo test lint format scale bench deb lock vendor

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Two stamps: running needs the base lock only, developing needs the larger one on top of it. make-venv sets the first.
.venv/.base: requirements/base.lock pyproject.toml scripts/make-venv
	@scripts/make-venv $(PYTHON) requirements/base.lock $(VENV_OPTION)

.venv/.dev: requirements/dev.lock pyproject.toml scripts/make-venv
	@scripts/make-venv $(PYTHON) requirements/dev.lock
	@touch $@

venv: .venv/.dev ## Make .venv from the locks, every hash checked

install: ## Install what tests and tools need from Debian (as root), and make .venv
	@scripts/install-system test
	@$(MAKE) --no-print-directory venv

demo: ## Bring up a forest, a portal and an agent on loopback; Ctrl-C ends them all
	@scripts/install-system lab || true
	@$(MAKE) --no-print-directory .venv/.base VENV_OPTION=--portal-suffices
	@exec $(BIN)/python -m lab.demo

test: install ## Install everything, lint, run all tests (the portal's on SQLite and PostgreSQL)
	@scripts/run-tests

lint: venv ## ruff, mypy strict, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv ## Let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

scale: install ## Large data, hundreds of kills, long comparisons (up to 75 minutes)
	$(PYTEST) -m scale --timeout=4500

bench: install ## Measure against the directory's own speed
	$(BIN)/python -m bench

deb: ## Make a Debian package of portal and agent for this release (as root, for what compiling needs)
	@scripts/install-system run
	@$(MAKE) --no-print-directory .venv/.base
	@packaging/build-deb

lock: venv ## Resolve the dependencies anew into requirements/*.lock
	$(UV_COMPILE) --upgrade pyproject.toml --group build --group demo -o requirements/base.lock
	$(UV_COMPILE) --upgrade pyproject.toml --group build --group demo --group dev -c requirements/base.lock -o requirements/dev.lock

vendor: ## Build the vendored front-end files from pinned npm packages (needs Node 20 and npm)
	frontend/build
