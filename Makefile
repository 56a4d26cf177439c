# `make` alone lists the targets. The virtual environment is made on first use and renewed when the dependencies change.
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
RUN ?= runs/miniature
WORKERS ?= 2
OPEN ?= 1
TESTERS ?= 2
N ?= 1
JUPYTER_ARGS ?=

BIN := $(VENV)/bin
ROOT := $(patsubst %/,%,$(dir $(RUN)))
THREADS = $(shell $(PYTHON) -c "import os; print(max(1, (os.cpu_count() or 2) // $(WORKERS)))")
# TESTERS workers of one thread each take stretches of the tests: what a module's tests share is rarely made twice.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest
SHARED_OUT = -n $(TESTERS) --dist worksteal --durations=10
LESSON = $(notdir $(wildcard lessons/$(if $(filter 1 2 3 4 5 6 7 8 9,$(N)),0)$(N)_*.ipynb))
LAB = $(BIN)/jupyter lab $(JUPYTER_ARGS) --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/my-lessons/$(LESSON)
EXPLORER = $(BIN)/streamlit run apps/explorer.py -- --root $(ROOT)
# A broken link is an error. Nothing is imported and nothing is fetched.
SPHINX = $(BIN)/python -m sphinx -W --keep-going -q -c docs -d build/doctrees
NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.PHONY: help demo train evaluate explore search lesson lessons pages docs test test-fast check clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "Settings: RUN=$(RUN)  WORKERS=$(WORKERS)  OPEN=$(OPEN) (0: no browser)  N=$(N) (lesson)  TESTERS=$(TESTERS)  VENV=$(VENV)  PYTHON=$(PYTHON)  PIP_ARGS="

demo: train evaluate  ## Train the miniature on 2 processes, evaluate it, open the explorer (OPEN=0: stop after the scores)
ifeq ($(OPEN),1)
	$(EXPLORER)
else
	@echo "The run and its scores are in $(RUN). To look at it: $(EXPLORER)"
endif

train: $(VENV)/.ui-ready  ## Train the miniature into RUN; goes on where a stopped run left off
	OMP_NUM_THREADS=$(THREADS) $(BIN)/torchrun --standalone --nproc_per_node=$(WORKERS) \
		core/train.py --output $(RUN) $(if $(wildcard $(RUN)),--resume)

evaluate: train
	$(BIN)/python core/eval.py --checkpoint $(RUN) --umap true

explore: $(VENV)/.ui-ready  ## Open the explorer on the runs next to RUN
	$(EXPLORER)

search: $(VENV)/.ui-ready  ## Open live search on the runs next to RUN
	$(BIN)/python apps/search.py --root $(ROOT)

lesson: $(VENV)/.lessons-ready  ## Open lesson N of the course in JupyterLab, in a copy of your own under my-lessons/
	@[ -n "$(LESSON)" ] || { echo "There is no lesson N=$(N); the course has:" lessons/*.ipynb >&2; exit 1; }
	@mkdir -p my-lessons
	@[ -f "my-lessons/$(LESSON)" ] || cp "lessons/$(LESSON)" my-lessons/
ifeq ($(OPEN),1)
	$(LAB)
else
	@echo "Your copy of the lesson is my-lessons/$(LESSON). To work on it: $(LAB)"
endif

lessons: $(VENV)/.lessons-ready  ## Make the course's notebooks and instructor's notes from lessons/source
	$(BIN)/python -m workbench.lessons.build

pages: $(VENV)/.lessons-ready  ## Execute the lessons and write them as pages to read without a kernel, under pages/
	$(BIN)/python -m workbench.lessons.pages --out pages

test: $(VENV)/.dev-ready  ## Run every test
	$(PYTEST) $(SHARED_OUT)

test-fast: $(VENV)/.dev-ready  ## Run the tests that take a few seconds at most
	$(PYTEST) $(SHARED_OUT) -m "not slow"

docs: $(VENV)/.dev-ready  ## Write the documents and a reference of the public API as a site, under site/
	$(SPHINX) -b html . site
	@echo "Open site/index.html"

check: $(VENV)/.dev-ready  ## Format, lint, types, import layers, links of the documents, file names and sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo
	$(SPHINX) -b dummy . build/links
	$(PYTEST) tests/architecture

clean:  ## Remove the environment and all caches; runs are kept
	@if [ -f "$(VENV)/pyvenv.cfg" ]; then echo "rm -rf $(VENV)"; rm -rf "$(VENV)"; fi
	rm -rf build dist site docs/reference .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(wildcard core workbench apps tests benchmarks lessons docs) -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c "$(NEW_ENOUGH)" || { echo "Python 3.11 or newer is needed, and $(PYTHON) is older or missing." \
		"Name another one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ui-ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e ".[ui]"
	@touch $@

$(VENV)/.lessons-ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e ".[ui,lessons]"
	@touch $@ $(VENV)/.ui-ready

$(VENV)/.dev-ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e ".[ui,dev]"
	@touch $@ $(VENV)/.ui-ready
