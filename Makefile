# Every target works on a fresh checkout with nothing but a Python >= 3.12: the first one makes .venv.

PYTHON ?= $(shell for python in python3.12 python3.13 python3.14 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test test-all faults conformance test-lowest lint types scripts screenshots bench bench-quick clean
# The slow modules of pynenc's suite: all runners, and the monitor.
SLOW := $(patsubst %,tests/conformance/test_integration_%.py,combinations pynmon)
QUICK := $(filter-out $(SLOW),$(wildcard tests/conformance/test_integration_*.py))

demo: $(INSTALLED)  ## Index the standard library on the embedded server
	cd examples && ../$(BIN)/python -m stdlib_index

# pynenc's suite leaves runners behind that go on working: it has processes of its own.
test: $(INSTALLED)  ## The everyday tests, on every server that this machine has
	$(BIN)/python -m pytest -n 2 --dist worksteal $(addprefix --ignore tests/,conformance monitor faults)
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/conformance/test_unit_*.py

# The tests of the monitor share one app, one monitor and one browser: they run in one process. Of the
# suite, what measures time or starts many processes runs alone, on the first Valkey and the first Redis.
test-all: test  ## Everything: faults, the monitor in a browser, and the rest of pynenc's suite
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/faults
	$(BIN)/python -m pytest tests/monitor
	$(BIN)/python -m pytest -n 2 --dist worksteal $(QUICK)
	TEST_SERVERS=$${TEST_SERVERS-valkey-9.1,redis-7.0} $(BIN)/python -m pytest $(SLOW)

faults: $(INSTALLED)  ## The tests of faults in full; writes their figures into docs/guarantees.md
	FAULTS=full TEST_SERVERS=$${TEST_SERVERS-valkey-9.1,redis-7.0} \
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/faults tests/triggers tests/calling/test_lost_writes.py

conformance: $(INSTALLED)  ## pynenc's whole suite; writes docs/conformance.md
	CONFORMANCE_REPORT=1 TEST_SERVERS=$${TEST_SERVERS-valkey-9.1,redis-7.0,cluster-9.1} \
	$(BIN)/python -m pytest tests/conformance

test-lowest: build/lowest/installed  ## The tests on the oldest dependencies that pyproject.toml allows
	TEST_SERVERS=$${TEST_SERVERS-valkey-9.1} build/lowest/bin/python -m pytest -n 2 tests/lua tests/calling tests/state

lint: $(INSTALLED)  ## Python, and the scripts as the server gets them
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m pynenc_redis_lua.scripts --render build/scripts
	luacheck -q build/scripts

types: $(INSTALLED)  ## mypy --strict
	$(BIN)/mypy

scripts: $(INSTALLED)  ## Write what is generated from lua/: manifest.json, api.py, docs/data-model.md
	$(BIN)/python -m pynenc_redis_lua.scripts

# With the style sheet and the icons of Debian's libjs-bootstrap5 and
# fonts-material-design-icons-iconfont, or, where these are not installed, from the hosts that the
# monitor's pages name.
screenshots: $(INSTALLED)  ## Take the pictures of docs/images anew, with the Chromium of this machine
	PYTHONPATH=tests:examples $(BIN)/python -m monitor.screenshots

# Another run: make bench BENCH="--case submit --contender us".
bench: build/bench/installed  ## Measure us and the alternatives; writes benchmarks/results and the README
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(BENCH)

bench-quick: $(INSTALLED)  ## Hold what is always the same to benchmarks/pinned.json
	PYTHONPATH=tests $(BIN)/python -m benchmarks --quick

build/bench/installed: $(INSTALLED)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[dev,bench]"
	mkdir -p build/bench && touch $@

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
