# make: set up and build. make test: set up and check. Everything else is dvc's.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
# DVC starts stages as `python`, which must be the one of this environment.
export PATH := $(BIN):$(PATH)
PINS := constraints/data.txt constraints/train.txt constraints/dev.txt

.PHONY: build setup test repository

build: repository setup
	$(BIN)/dvc repro
	$(BIN)/python -m sftlib.cli summary

setup: $(VENV)/installed

$(VENV)/installed: pyproject.toml $(PINS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PINS:%=-c %) -e ".[train,tune,dev]"
	touch $@

test: repository setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest

repository:
	@git rev-parse --verify --quiet HEAD > /dev/null || { \
	  echo "error: this folder is no git repository with a commit: clone the project with git," \
	       "or run 'git init && git add . && git commit -m Start'" >&2; exit 2; }
