# Everything a fresh machine needs, from Python and make alone. `make` lists the targets.

PYTHON ?= python3
ARGS ?=

# Without bytecode every start of a server compiles its imports again: 4 s instead of 1.
unexport PYTHONDONTWRITEBYTECODE

UV := .boot/bin/uv
PY := .venv/bin/python
JS := tests/clients/js
CLIENTS := tests/clients/python
CLIENTS_ENV := .cache/environments/clients
TRITON_ENV := .cache/environments/triton
NPM := $(shell command -v npm 2>/dev/null)

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate
COMPILE_ALL := $(COMPILE) pyproject.toml --extra litellm --extra plots --extra train --group dev
COMPILE_SERVE := $(COMPILE) pyproject.toml --extra litellm --group build --constraint requirements.lock
COMPILE_CLIENTS := $(COMPILE) $(CLIENTS)/requirements.in
STALE := does not follow from pyproject.toml: run \`make lock\`
KERNEL := hatch_build.py src/waypost/kernel/native.pyx
# Always builds: a cached build has its kernel in a tree that may be gone.
INSTALL_SELF := $(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --reinstall-package waypost --editable .

.DEFAULT_GOAL := help
.PHONY: help serve test heavy check lock audit bench bench-gateway clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

serve: .venv/.serve ## Serve on 127.0.0.1:4100; options in ARGS="-c FILE --port 4200"
	@exec .venv/bin/waypost serve $(ARGS)

test: .venv/.develop $(CLIENTS_ENV)/complete $(TRITON_ENV)/complete $(if $(CI_FULL),heavy) $(if $(NPM),$(JS)/node_modules/.package-lock.json) ## Run all tests, on real engines; options in ARGS
	@$(if $(NPM),:,echo "no npm here: the tests with JavaScript clients skip")
	@$(PY) -m pytest $(ARGS)

heavy: .venv/.develop ## Build the large environments that some tests need (gigabytes): transformers serve, LlamaIndex, LiteLLM
	@$(PY) tests/engines/environments.py

check: .venv/.develop ## Lint, format, types, import rules, locks, advisories
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -q -p no:randomly tests/meta/test_imports.py
	@$(MAKE) --no-print-directory .locks-are-fresh audit

lock: $(UV) ## Resolve again, with upgrades only where ARGS asks (ARGS="--upgrade-package NAME")
	$(COMPILE_ALL) --output-file requirements.lock $(ARGS)
	$(COMPILE_SERVE) --output-file requirements-serve.lock
	$(COMPILE_CLIENTS) --output-file $(CLIENTS)/requirements.lock $(ARGS)
	printf 'uv==%s\n' $$($(UV) --version | cut -d' ' -f2) | $(UV) pip compile - --quiet --universal --python-version 3.10 \
	  --generate-hashes --no-header --no-annotate --output-file requirements-boot.lock
	$(if $(NPM),cd $(JS) && $(NPM) install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error)

audit: .venv/.develop
	@$(PY) .ci/audit.py requirements.lock

bench: .venv/.develop ## Measure import time, idle memory and decisions
	$(PY) benchmarks/footprint.py
	.venv/bin/waypost bench decide

bench-gateway: .venv/.develop ## Measure the server against other gateways (docs/performance.md); ARGS="--quick" for a minute
	$(PY) benchmarks/gateway $(ARGS)

clean: ## Remove the environments and every cache
	rm -rf .venv .boot .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist $(JS)/node_modules src/waypost/kernel/native.*.so
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV): requirements-boot.lock
	$(PYTHON) -m venv --clear .boot
	.boot/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-boot.lock
	@touch $@

.venv/pyvenv.cfg: | $(UV)
	$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" .venv

# What serving needs. It adds to the environment, so that it never removes what the tests need.
.venv/.serve: requirements-serve.lock pyproject.toml $(KERNEL) | .venv/pyvenv.cfg
	$(UV) pip install --quiet --python $(PY) --require-hashes -r requirements-serve.lock
	$(INSTALL_SELF)
	@touch $@

# Exactly the lock: what serving needs is a part of it.
.venv/.develop: requirements.lock pyproject.toml $(KERNEL) | .venv/pyvenv.cfg
	$(UV) pip sync --quiet --python $(PY) --require-hashes requirements.lock
	$(INSTALL_SELF)
	@touch .venv/.serve $@

# Clients that want other versions than we do.
$(CLIENTS_ENV)/complete: $(CLIENTS)/requirements.lock | $(UV)
	$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" $(CLIENTS_ENV)
	$(UV) pip sync --quiet --python $(CLIENTS_ENV)/bin/python --require-hashes $<
	@touch $@

# The real Triton, for the systems that it is made for.
$(TRITON_ENV)/complete: | .venv/.develop
	@$(PY) tests/engines/environments.py triton || echo "Triton cannot be installed here: its tests skip"

$(JS)/node_modules/.package-lock.json: $(JS)/package.json $(JS)/package-lock.json
	cd $(JS) && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Compiles over a copy: existing pins stay, so that a newer release of a dependency is no difference.
.PHONY: .locks-are-fresh
.locks-are-fresh: $(UV)
	@mkdir -p .cache && cp requirements.lock requirements-serve.lock .cache/
	@$(COMPILE_ALL) --output-file .cache/requirements.lock
	@diff requirements.lock .cache/requirements.lock >/dev/null || { echo "requirements.lock $(STALE)"; exit 1; }
	@$(COMPILE_SERVE) --output-file .cache/requirements-serve.lock
	@diff requirements-serve.lock .cache/requirements-serve.lock >/dev/null || { echo "requirements-serve.lock $(STALE)"; exit 1; }
	@cp $(CLIENTS)/requirements.lock .cache/clients.lock && $(COMPILE_CLIENTS) --output-file .cache/clients.lock
	@diff $(CLIENTS)/requirements.lock .cache/clients.lock >/dev/null || { echo "$(CLIENTS)/requirements.lock $(STALE)"; exit 1; }
	@echo "locks: they follow from pyproject.toml and $(CLIENTS)/requirements.in"
