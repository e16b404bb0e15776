# make: set up and build. make test: set up and check. make recipe NAME=news: build another params.yaml
# in a scratch clone. Everything else is dvc's.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
# DVC starts stages as `python`, which must be the one of this environment.
export PATH := $(BIN):$(PATH)
PINS := $(addprefix constraints/,data.txt train.txt ray.txt remotes.txt serve.txt dev.txt)

# Where `make recipe NAME=news` builds; all clones share downloads, checkpoints and DVC's cache.
CLONE := .sft/recipes/$(NAME)

.PHONY: build setup test recipe repository

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
	$(BIN)/pytest -n 2 --dist loadfile

recipe: repository setup
	@test -f recipes/$(NAME)/params.yaml || { \
	  echo "error: NAME=$(NAME) is no recipe: give one of" $$(ls recipes) >&2; exit 2; }
	rm -rf $(CLONE)
	git clone --quiet --shared . $(CLONE)
	mkdir -p .sft/downloads .sft/checkpoints $(CLONE)/.sft
	ln -s $(abspath .sft/downloads) $(abspath .sft/checkpoints) $(CLONE)/.sft
	cp recipes/$(NAME)/params.yaml $(CLONE)/params.yaml
	cache=$$(dvc cache dir) && cd $(CLONE) && rm -rf dvc.lock metrics plots && \
	  dvc cache dir --local "$$cache" && dvc repro && python -m sftlib.cli summary

repository:
	@git rev-parse --verify --quiet HEAD > /dev/null || { \
	  echo "error: this folder is no git repository with a commit: clone the project with git," \
	       "or run 'git init && git add . && git commit -m Start'" >&2; exit 2; }
