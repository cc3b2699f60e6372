# Everything works on a fresh machine with Python 3.11 or 3.12: the environment is made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# of hostile input: which mutations are tried, and how many
SEED ?= 1
COUNT ?= 20000

.PHONY: run test lint docs bench fuzz clean

run: $(VENV)/.installed
	$(BIN)/simcore trace --interval 60

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses auto

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -b html docs build/docs

# all but what needs a GPU and a folder for its results
bench: $(VENV)/.installed-dev
	for script in $(filter-out benchmarks/pit_gpu.py benchmarks/tables.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit 1; done

# beyond the 2,000 mutations that the tests try
fuzz: $(VENV)/.installed-test
	$(BIN)/python -m tests.fuzz --seed $(SEED) --count $(COUNT)
	$(BIN)/python -m tests.fuzz_commands --seed $(SEED) --count $$(($(COUNT) / 20))

clean:
	rm -rf $(VENV) build dist docs/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@
