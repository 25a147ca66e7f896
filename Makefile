# Everything that a person or CI does with this repository. `make` alone lists it.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install up demo check test test-long fuzz lock clean

VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find protos -name '*.proto')
# Else every process of every stack would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

# The first Python that runs and is 3.11 or 3.12 (a version manager's shim may exist and not run).
FIND_PYTHON = for python in python3.11 python3.12 python3; do \
	  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
	    2>/dev/null && echo "$$python" && break; \
	done

# The stamps: dependencies are installed again only when their pins change, code is generated
# again only when the contract does (an editable install does not do that by itself).
INSTALLED := $(VENV)/.installed
GENERATED := whimbrel/api/py.typed

help:  ## List the targets
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.*  ## /  \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-11s %s\n", $$1, $$2 }'

install: $(GENERATED)  ## Create .venv with the pinned requirements and the project
	@$(BIN)/python tools/check_binaries.py

$(INSTALLED): requirements.txt pyproject.toml tools/build_protos.py
	@python="$$($(FIND_PYTHON))"; \
	test -n "$$python" || { echo "make install: Python 3.11 or 3.12 is needed and was not found (apt-get install -y python3.11 python3.11-venv)" >&2; exit 1; }; \
	test -x $(BIN)/python || "$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(GENERATED): $(PROTOS) $(INSTALLED)
	@$(BIN)/python tools/build_protos.py

up: $(GENERATED)  ## Start the stack in the foreground (ARGS="--access 2" for options)
	@$(BIN)/whimbrel up $(ARGS)

demo: $(GENERATED)  ## People talk while pods are killed; counts what arrived
	@$(BIN)/whimbrel demo $(ARGS)

check: $(GENERATED)  ## Format, lint, types, import contracts, unit tests; under a minute
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy & types=$$!; \
	$(BIN)/pytest tests/unit -n 2 -m "not slow and not simulation" $(ARGS); tests=$$?; \
	wait $$types && exit $$tests

# Two files at a time, whole stacks too; then one after the other what looks at the clock.
test: $(GENERATED)  ## Every test that is not slow; what CI runs
	@$(BIN)/pytest tests --ignore tests/e2e --ignore tests/local -m "not slow and not fuzz" -n 2 --dist loadfile $(ARGS)
	@$(BIN)/pytest tests/e2e tests/local -m "not slow and not alone" -n 2 --dist loadfile $(ARGS)
	@$(BIN)/pytest tests/e2e tests/local -m "alone and not slow" $(ARGS)

# The byte fuzzers among them need atheris, for which not every Python and machine has a wheel.
test-long: $(GENERATED)  ## The slow tests: soaks, all schedules, a minute of bytes for each fuzzer
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz-bytes.txt \
	  || echo "make test-long: atheris cannot be installed here; the tests of tests/fuzz/test_bytes.py are skipped" >&2
	@$(BIN)/pytest -m slow $(ARGS)

fuzz: $(GENERATED)  ## Ask the gateway whatever its OpenAPI permits and does not
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.txt
	@$(BIN)/pytest tests/fuzz -m fuzz $(ARGS)

LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --quiet pyproject.toml
EXTRAS := --extra server --extra drain --extra local --extra build --extra dev

lock:  ## Pin the requirements again, with hashes (needs uv)
	@$(LOCK) $(EXTRAS) --output-file requirements.txt
	@$(LOCK) --constraint requirements.txt --extra server --extra drain --output-file requirements-pods.txt
	@$(LOCK) --constraint requirements.txt --extra build --output-file requirements-build.txt
	@$(LOCK) --constraint requirements.txt $(EXTRAS) --extra fuzz --output-file requirements-fuzz.txt
	@$(LOCK) --constraint requirements.txt $(EXTRAS) --extra fuzz-bytes --output-file requirements-fuzz-bytes.txt

clean:  ## Remove what the other targets made
	rm -rf $(VENV) whimbrel/api build dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
