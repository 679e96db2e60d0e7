# The targets, in order of use: `make help`.
# Work is in tools/ and grading/; here is only what depends on what.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDEXPANSION:

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# what grading needs, which is there earlier
GRADER := $(VENV)/.installed-grading
PINS := $(wildcard requirements*.txt) constraints.txt pyproject.toml tools/bootstrap.py
STAMPS := _build/.stamps
JOBS ?= 2
CHAPTER ?=
PORT ?= 8000
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# What is made here does not depend on the user's own settings, nor on a home that can be written.
export IPYTHONDIR := $(CURDIR)/_build/home/ipython
export JUPYTER_CONFIG_DIR := $(CURDIR)/_build/home/jupyter
export JUPYTER_DATA_DIR := $(CURDIR)/_build/home/jupyter/data
export JUPYTER_RUNTIME_DIR := $(CURDIR)/_build/home/jupyter/runtime
export MPLCONFIGDIR := $(CURDIR)/_build/home/matplotlib
export PYTHONUTF8 := 1
unexport PYTHONHOME PYTHONSTARTUP MATPLOTLIBRC

# Small matrix products are faster on one thread, and tests run side by side.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

LISTED := $(shell sed -n '/caption: Chapters/,/caption: Reference/s|.*file: book/||p' _toc.yml)
CHAPTERS := $(foreach slug,$(LISTED),$(if $(wildcard solutions/$(slug)/$(slug).py),$(slug)))

find = $(shell find $(1) -type f -not -path '*/__pycache__/*' -not -path '*/.ipynb_checkpoints/*' 2>/dev/null)
LIB := $(call find,lib)
GRADING := $(call find,grading) $(wildcard nbgrader_config.py)
AUTHORING := $(call find,authoring) _toc.yml
BOOK := $(wildcard _config.yml _toc.yml) $(call find,book)

# Whatever writes runs alone in this folder: the goal is made again, under a lock. All that it
# starts inherits the open file, and with it the lock, which so lasts as long as they do.
LOCK := _build/.lock
LOCKED_GOALS := course test coverage fresh book pdf canary lighthouse exercises learner grade sample install lint format bench bench-grading bench-practise bench-figures mutants experiments constraints clean
ifndef LOCKED
.NOTPARALLEL:
.PHONY: $(LOCKED_GOALS)
$(LOCKED_GOALS): python
	@mkdir -p _build && exec 9>>$(LOCK) && \
	if ! command -v flock >/dev/null; then \
		echo "note: flock is not installed, so nothing keeps a second run out of this folder" >&2; \
	elif ! flock --nonblock 9; then \
		echo "error: another run is still going in this folder ($$(cat $(LOCK)));" \
			"nothing was done. Wait for it to end." >&2; exit 1; \
	fi; \
	echo "make $@, process $$$$, since $$(date +%H:%M)" >$(LOCK) && \
	exec $(MAKE) --no-print-directory LOCKED=1 $@
else
.PHONY: $(LOCKED_GOALS)

install: $(INSTALLED)
	@:

# A step is a line for the user; what its programs print is kept in _build/log.
STEP = "$(PYTHON)" tools/step.py

$(INSTALLED): $(PINS)
	@$(STEP) 1/2 "Debian packages" "$(PYTHON)" tools/bootstrap.py --packages
	@$(STEP) 2/2 "Python packages" "$(PYTHON)" tools/bootstrap.py --venv $(VENV)

$(GRADER): $(PINS)
	@$(STEP) 1/1 "packages for grading" "$(PYTHON)" tools/bootstrap.py --venv $(VENV) --part grading

MAKE_STEP = $(MAKE) --no-print-directory LOCKED=1
course:
	@$(STEP) 1/6 "Debian packages" "$(PYTHON)" tools/bootstrap.py --packages
	@$(STEP) 2/6 "packages for grading" $(MAKE_STEP) $(GRADER)
	@$(STEP) 3/6 "sample class" $(MAKE_STEP) $(STAMPS)/sample
	@$(BIN)/python tools/sample_class.py --show
	@$(STEP) 4/6 "exercises" $(MAKE_STEP) -j$(JOBS) exercises
	@$(STEP) 5/6 "packages for book and tests" $(MAKE_STEP) $(INSTALLED)
	@$(STEP) 6/6 "book" $(MAKE_STEP) $(STAMPS)/book
	@echo "The book:       _build/html/index.html"

book: $(STAMPS)/book
	@:
$(STAMPS)/book: $(INSTALLED) $(BOOK) $(LIB) $(AUTHORING) tools/book.py tools/python_files.py $(CHAPTERS:%=$(STAMPS)/exercises-%)
	@$(BIN)/python tools/book.py
	@mkdir -p $(STAMPS) && touch $@

pdf: $(STAMPS)/book
	@$(BIN)/python tools/pdf.py

canary: $(STAMPS)/book
	@$(BIN)/python tools/canary.py

bench-practise: $(STAMPS)/book
	@$(BIN)/python tools/bench_practise.py $(CHAPTER)
	@$(BIN)/python tools/lighthouse.py book/practise/attention.html

bench-figures: $(STAMPS)/book
	@$(BIN)/python tools/bench_figures.py

lighthouse: $(STAMPS)/book
	@$(BIN)/python tools/lighthouse.py

ifeq ($(CHAPTER),)
exercises: $(CHAPTERS:%=$(STAMPS)/exercises-%)
else
exercises: $(GRADER)
	@$(BIN)/python -m authoring.exercises $(CHAPTER)
endif
$(STAMPS)/exercises-%: $(GRADER) $$(wildcard solutions/$$*/*.py) $(LIB) $(AUTHORING)
	@$(BIN)/python -m authoring.exercises $*
	@mkdir -p $(STAMPS) && touch $@

sample: $(STAMPS)/sample
	@$(BIN)/python tools/sample_class.py --show
$(STAMPS)/sample: $(GRADER) $(STAMPS)/exercises-rnn $(GRADING) $(LIB) tools/sample_class.py
	@$(BIN)/python tools/sample_class.py --jobs $(JOBS) >/dev/null
	@mkdir -p $(STAMPS) && touch $@

learner: _build/learner/recurrent-networks.zip
_build/learner/recurrent-networks.zip: $(INSTALLED) $(CHAPTERS:%=$(STAMPS)/exercises-%) $(LIB) $(AUTHORING)
	@$(BIN)/python -m authoring.learner_zip --output $@

grade: $(INSTALLED) exercises
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grading grade $(or $(CHAPTER),$(error which chapter? say make grade CHAPTER=rnn)) --jobs $(JOBS)

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/lint-imports
	@$(BIN)/mypy

format: $(INSTALLED)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Every part runs, whatever became of the one before; pytest comes last.
test: $(INSTALLED) exercises learner
	@$(STEP) 1/1 "Debian packages for tests" "$(PYTHON)" tools/bootstrap.py --for-tests
	@status=0; \
	$(MAKE) --no-print-directory LOCKED=1 lint || status=1; \
	$(MAKE) --no-print-directory LOCKED=1 book || status=1; \
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(JOBS) --dist worksteal --doctest-modules lib tests || status=1; \
	exit $$status

coverage: $(INSTALLED) exercises learner
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(JOBS) --doctest-modules --cov=lib --cov=grading --cov=authoring --cov-report=term lib tests

fresh:
	@"$(PYTHON)" tools/fresh.py $(SUITE:%=--suite %) $(CASE:%=--case %)

bench: $(INSTALLED)
	@$(BIN)/python -m tools.bench

bench-grading: $(INSTALLED) exercises
	@$(BIN)/python -m tools.bench_grading

experiments: $(INSTALLED)
	@$(BIN)/python -m tools.experiments $(CHAPTER)

mutants: $(INSTALLED)
	@$(BIN)/python -m authoring.mutants --jobs $(JOBS) $(CHAPTER)

constraints: $(INSTALLED)
	@cat requirements*.txt | grep -v '^-[cr] ' | CUSTOM_COMPILE_COMMAND="make constraints" \
		$(BIN)/pip-compile --quiet --no-allow-unsafe --strip-extras --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file constraints.txt -
	@sed -i 's/+[[:alnum:].]*$$//' constraints.txt  # 2.13.0+cpu is one build of a release

clean:
	@find _build -mindepth 1 -maxdepth 1 -not -name .lock -exec rm -rf {} +
endif

.PHONY: help python lab serve
help:
	@echo "make course         install, build the book, make the exercises, grade a sample class"
	@echo "make test           all tests and checks"
	@echo
	@echo "make coverage       the tests once more, slower, and which lines they ran"
	@echo "make book           the book, strictly, into _build/html"
	@echo "make serve          the book at http://127.0.0.1:8000, where its practise pages run; PORT=8000"
	@echo "make pdf            the book on paper, _build/pdf/recurrent-networks.pdf"
	@echo "make exercises      exercises/ from solutions/; CHAPTER=rnn for one chapter"
	@echo "make learner        the zip for learners, _build/learner/recurrent-networks.zip"
	@echo "make grade CHAPTER=rnn   grade submitted/, JOBS=2 at a time"
	@echo "make sample         the sample class alone"
	@echo "make lab            JupyterLab on solutions/"
	@echo "make fresh          both commands on bare machines; SUITE=trixie for all cases of one Debian"
	@echo "make bench          speed of lib against PyTorch"
	@echo "make bench-grading  speed of grading against stock nbgrader"
	@echo "make bench-practise  speed and weight of the practise pages (Lighthouse needs npm)"
	@echo "make bench-figures  how soon an interactive figure answers on a slow machine"
	@echo "make experiments    what figures took from training, made anew; CHAPTER=rnn for one"
	@echo "make mutants        strength of the hidden tests: wrong answers that lose marks"
	@echo "make canary         the book with the newest Sphinx, without Jupyter Book"
	@echo "make lighthouse     how fast and accessible the heaviest page is (needs npm)"
	@echo "make lint           ruff, codespell, import-linter, mypy"
	@echo "make format         ruff, writing"
	@echo "make install        only the environment, .venv"
	@echo "make constraints    pin what requirements.txt needs in turn; pins that still fit stay"
	@echo "make clean          remove _build"

python:
	@if [ -z "$(PYTHON)" ]; then echo "error: Python 3.11 or newer is needed, and none was found. Install one (apt-get install python3), or say make PYTHON=/path/to/python" >&2; exit 1; fi

serve: book
	@$(BIN)/python tools/serve.py --port $(PORT)

lab: install
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab --notebook-dir=solutions
