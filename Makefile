# Every target works on a fresh checkout with nothing but a Python >= 3.12: the first one makes .venv.

PYTHON ?= $(shell for python in python3.12 python3.13 python3.14 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test test-all conformance test-lowest lint types scripts clean
# The slow modules of pynenc's suite: all runners, and the monitor.
SLOW := tests/conformance/test_integration_combinations.py tests/conformance/test_integration_pynmon.py

demo: $(INSTALLED)  ## Index the standard library on the embedded server
	cd examples && ../$(BIN)/python -m stdlib_index

# pynenc's suite leaves runners behind that go on working: it has processes of its own.
test: $(INSTALLED)  ## The everyday tests, on every server that this machine has
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/conformance
	$(BIN)/python -m pytest -n 2 --dist worksteal $(SLOW:%=--ignore %) tests/conformance

# The suite measures time: it runs alone, and not on a cluster.
test-all: test  ## And the slow modules of pynenc's suite, on the first Valkey and the first Redis
	TEST_SERVERS=$${TEST_SERVERS-valkey-9.1,redis-7.0} $(BIN)/python -m pytest $(SLOW)

conformance: $(INSTALLED)  ## pynenc's whole suite on these two servers; writes docs/conformance.md
	CONFORMANCE_REPORT=1 TEST_SERVERS=$${TEST_SERVERS-valkey-9.1,redis-7.0,cluster} \
	$(BIN)/python -m pytest tests/conformance

test-lowest: build/lowest/installed  ## The tests on the oldest dependencies that pyproject.toml allows
	build/lowest/bin/python -m pytest -n 2 tests/lua tests/calling tests/state

lint: $(INSTALLED)  ## Python, and the scripts as the server gets them
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m pynenc_redis_lua.scripts --render build/scripts
	luacheck -q build/scripts

types: $(INSTALLED)  ## mypy --strict
	$(BIN)/mypy

scripts: $(INSTALLED)  ## Write what is generated from lua/: manifest.json, api.py, docs/data-model.md
	$(BIN)/python -m pynenc_redis_lua.scripts

build/lowest/installed: pyproject.toml
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/python -m pip install -q --disable-pip-version-check -e ".[dev]"
	build/lowest/bin/python -m pip install -q --disable-pip-version-check "redis[hiredis]==7.0.0" "jinja2==3.1.0"
	touch $@

clean:  ## Remove what the other targets made
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.12 or newer is needed: make $(MAKECMDGOALS) PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[dev]"
	touch $@
