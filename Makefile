# One door: make run · make test · make check · make format · make bench · make bench-pool
.DEFAULT_GOAL := help
.PHONY: help run clients test check format bench bench-pool clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "grok2api needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Could not create $(VENV). On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (first time: about a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(STAMP)
	@echo "Installing test and check tools …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,check]'
	@touch $@

# Client libraries that the tests drive, and the Node.js of some of them; apart, because they pin what the gateway has newer.
CLIENTS := .venv-clients
$(CLIENTS)/.installed: tests/clients/requirements.txt tests/clients/node/package.json tests/clients/node/package-lock.json
	@echo "Installing client libraries into $(CLIENTS) …"
	@test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	@mkdir -p $(CLIENTS)/node
	@cp tests/clients/node/package.json tests/clients/node/package-lock.json $(CLIENTS)/node
	@PATH="$(CURDIR)/$(CLIENTS)/bin:$$PATH" npm ci --prefix $(CLIENTS)/node --loglevel=error --no-audit --no-fund || \
	  { echo "npm could not install the JavaScript clients: is its registry reachable from here?"; exit 1; }
	@touch $@

clients: $(CLIENTS)/.installed ## Install the client libraries that the tests drive

run: $(STAMP) ## Start the demo: gateway, simulator, pretend accounts; prints a curl line that works
	@exec $(BIN)/grok2api demo

# Files of tests run side by side, each with a store of its own: make test JOBS=0 runs them one after the other.
JOBS := 2
test: $(VENV)/.installed-dev $(CLIENTS)/.installed ## Run all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.installed-dev ## Formatting, lint, types, imports, dead code, Lua, templates
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/djlint templates --check --quiet
	$(BIN)/djlint templates --lint --quiet
	@command -v luacheck >/dev/null || { echo "luacheck is missing. On Debian and Ubuntu: sudo apt install lua-check"; exit 1; }
	@rm -rf build/lua && $(BIN)/grok2api scripts expand build/lua
	luacheck --quiet --config lua/.luacheckrc build/lua

format: $(VENV)/.installed-dev ## Put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/djlint templates --reformat --quiet || true

bench: $(VENV)/.installed-dev ## Measure; what it does is in benchmarks/README.md
	$(BIN)/python -m benchmarks $(ARGS)

bench-pool: $(VENV)/.installed-dev ## Measure what lending accounts costs the store
	$(BIN)/python -m benchmarks.pool $(ARGS)

clean: ## Remove what make created (not your data)
	rm -rf $(VENV) $(CLIENTS) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
