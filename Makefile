# Two commands are all a user needs:  make demo  and  make test.   `make help` lists the rest.
#
# Everything is installed into $(VENV), from the constraints file of the Python at hand, and again
# only when pyproject.toml or a constraints file changes. Choose another Python with
# `make test PYTHON=/path/to/python3.12 VENV=.venv-3.12`.

VENV := .venv
SCENARIO := scenarios/baseline.yaml
PYTEST_ARGS :=
PYTEST_PARALLEL := -n auto --maxprocesses=8 --dist=loadfile

BIN := $(VENV)/bin
CODE := sim tests benchmarks constraints docs notebooks

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo notebooks test test-long lint types check check-long mutation bench docs format constraints wheel \
    clean FORCE

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed-run ## install and run the baseline scenario
	$(BIN)/aipower run $(SCENARIO)

notebooks: $(VENV)/.installed-notebooks ## execute the notebooks and write pages into outputs/notebooks
	$(BIN)/python notebooks/build.py

test: $(VENV)/.installed-test ## install what the tests need and run them
	$(BIN)/python -m pytest $(PYTEST_PARALLEL) $(PYTEST_ARGS)

test-long: $(VENV)/.installed-test ## only the tests that take minutes
	$(BIN)/python -m pytest $(PYTEST_PARALLEL) -m long $(PYTEST_ARGS) || [ $$? -eq 5 ]  # 5: no test is long

lint: $(VENV)/.installed-dev ## check style and formatting (ruff)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(VENV)/.installed-dev ## check types (mypy, strict)
	$(BIN)/mypy

check: lint types test ## lint, types and test

check-long: check test-long ## check, then the tests that take minutes

mutation: $(VENV)/.installed-dev ## change the economics in small ways and see whether tests notice (up to an hour)
	$(BIN)/python tests/mutation.py

docs: $(VENV)/.installed-docs ## build the documentation site into build/docs/
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto docs build/docs
	@echo "Open build/docs/index.html"

bench: $(VENV)/.installed-run ## print how long things take; asserts nothing
	@ls benchmarks/*.py >/dev/null 2>&1 || echo "benchmarks/ holds no benchmark"
	@for file in benchmarks/*.py; do \
	    if [ -f "$$file" ]; then echo "== $$file"; $(BIN)/python "$$file" || exit 1; fi; \
	done

format: $(VENV)/.installed-dev ## rewrite the code in the project's format
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

constraints: $(VENV)/pyvenv.cfg ## renew the constraints file of this Python
	$(BIN)/python constraints/renew.py

wheel: $(VENV)/pyvenv.cfg ## build a wheel into dist/
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

clean: ## remove environments, caches and built files (outputs/ stays)
	rm -rf .venv .venv-* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .mutation
	find sim tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment ----------------------------------------------------------

# An environment is made anew when it is broken, was made in another folder, or is not of $(PYTHON).
VERSION := -c 'import sys; print(sys.version)'
VENV_WORKS := $(shell grep -qF "$(abspath $(VENV))" $(VENV)/pyvenv.cfg 2>/dev/null && \
    this=$$($(BIN)/python $(VERSION) 2>/dev/null) && \
    [ "$$this" = "$$($(or $(PYTHON),$(BIN)/python) $(VERSION) 2>/dev/null)" ] && echo yes)
ifneq ($(VENV_WORKS),yes)
$(VENV)/pyvenv.cfg: FORCE
endif

# $(PYTHON) when it is given, else the first of these that works and is recent enough.
$(VENV)/pyvenv.cfg:
	@for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        "$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	            echo "$$python cannot make virtual environments: its venv or ensurepip module is missing."; \
	            echo "On Debian or Ubuntu: sudo apt install python3-venv. Then try again."; exit 1; }; \
	        echo "Making $(VENV) with $$("$$python" --version)"; \
	        exec "$$python" -m venv --clear "$(VENV)"; \
	    fi; \
	done; \
	echo "aipower needs Python 3.11 or newer, and $(if $(PYTHON),$(PYTHON) is not,none was found)."; \
	echo "Found: $$($(or $(PYTHON),python3) --version 2>&1 | head -n 1)"; \
	echo "Install one (https://www.python.org/downloads/), or name it: make test PYTHON=/path/to/python3.12"; \
	exit 1

# .installed-run holds what a run needs, .installed-notebooks adds the notebooks, .installed-test that and the tests,
# .installed-dev lint and types.
$(VENV)/.installed-%: $(VENV)/pyvenv.cfg pyproject.toml $(wildcard constraints/py*.txt)
	@pins=$$($(BIN)/python -c 'import sys; print("constraints/py%d%d.txt" % sys.version_info[:2])'); \
	if [ ! -f "$$pins" ]; then echo "No $$pins: installing the newest versions that pyproject.toml allows."; pins=/dev/null; fi; \
	echo "Installing aipower into $(VENV) (a few minutes the first time)"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
	    --constraint "$$pins" --editable '.$(if $(filter run,$*),,[$*])'
	@touch $@
