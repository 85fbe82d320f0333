# `make run` listens and plays; `make test` proves it.  Each sets up .venv by itself, and quickly the second time.
# The only things a machine must bring: python3.11, a C compiler, make.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
GATES = $(BIN)/python -m pytest -q --unrecorded --benchmark-disable benchmarks
SERVERS := live and not slow and not reference
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
SOURCES := $(shell find kelly/_rt -name '*.pyx' -o -name '*.pxi' -o -name '*.h') kelly/_rt/contract.py kelly/_rt/layout.py kelly/_rt/net/layers.py \
	$(shell find kelly/_rt -name '*.pxd' ! -name '_contract.pxd' ! -name '_layout.pxd' ! -name '_table.pxd')

.PHONY: run test check bench gates listening reliability soak sanitise golden docs clean
.DELETE_ON_ERROR:

run: $(VENV)/.built
	@$(BIN)/kelly live

# The second try below is for the machine, not for kelly: where others fill the processors, jackd itself stands still
# for seconds while a client starts ("stage was not finished" in its log) and kelly rightly says that the device is gone.
# A test that fails twice fails; a test that needs its second try on a quiet machine is a bug.
test: $(VENV)/.built $(VENV)/.tested
	$(BIN)/python -m pytest -m 'not live and not slow and not reference'
	$(BIN)/python -m pytest -m '$(SERVERS)' || { echo "a test on a real server failed: on a shared machine each gets one more try"; \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures none -m '$(SERVERS)'; }
	$(BIN)/python -m pytest -q -m slow tests/architecture/test_wheel.py
	$(GATES) || { echo "a latency gate failed: on a shared machine each gets two more tries"; \
		$(GATES) --last-failed --last-failed-no-failures none || $(GATES) --last-failed --last-failed-no-failures none; }

check: $(VENV)/.built $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture

bench: $(VENV)/.built $(VENV)/.tested
	$(BIN)/python -m pytest -s -m 'not reference' benchmarks

gates: $(VENV)/.built $(VENV)/.tested
	$(BIN)/python -m tests.gates.report docs/gates

listening: $(VENV)/.built $(VENV)/.tested
	$(BIN)/python -m tests.gates.examples docs/listening

reliability: $(VENV)/.built $(VENV)/.tested
	$(BIN)/python -m pytest -m 'not reference' --reliability docs/reliability.md tests

HOURS ?= 8
soak: $(VENV)/.built $(VENV)/.tested
	KELLY_SOAK_S=$$(($(HOURS) * 3600)) $(BIN)/python -m pytest -s -m slow -k soak tests/live/test_burden.py

sanitise: $(VENV)/.built $(VENV)/.tested
	$(BIN)/python -m tests.proofs.sanitise

golden: $(VENV)/.built $(VENV)/.tested
	$(BIN)/python -m tests.golden.refresh

docs: $(VENV)/.built
	$(BIN)/python docs/contract_table.py

clean:
	rm -rf $(VENV) build dist kelly_live.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find kelly \( -name '*.so' -o -name '*.c' -o -name '__pycache__' \) -exec rm -rf {} +

# The stamps, from the ground up.

$(VENV)/.run-packages: .ci/system-packages
	@PYTHON=$(PYTHON) .ci/system-packages run
	@mkdir -p $(VENV) && touch $@

$(VENV)/.test-packages: .ci/system-packages $(VENV)/.run-packages
	@PYTHON=$(PYTHON) .ci/system-packages test
	@touch $@

$(VENV)/.tools: $(VENV)/.run-packages
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install 'setuptools>=80' 'Cython>=3.2' 'numpy>=2' wheel
	@touch $@

$(VENV)/.installed: pyproject.toml setup.py $(VENV)/.tools
	@echo "installing kelly"
	@$(PIP) install --no-build-isolation -e .
	@touch $@

$(VENV)/.built: $(SOURCES) $(VENV)/.installed
	@$(BIN)/python setup.py -q build_ext --inplace
	@touch $@

$(VENV)/.tested: pyproject.toml $(VENV)/.test-packages $(VENV)/.installed
	@echo "installing what the tests need"
	@$(PIP) install --no-build-isolation -e '.[dev]'
	@$(PIP) install 'torch==2.13.0'
	@touch $@
