# zerobook: the verbs. `make help` lists them; CI runs the same words.
#
#   PYTHON=python3.12  the Python to set up with (3.11, 3.12 or 3.13)
#   TORCH=             go without PyTorch: tests that need it skip, and pages
#                      that compare with it cannot be built
#   P=book/…/page.md   the page that `make page` builds
#   PORT=8000          where `make serve` shows the book
#   THIRD=0,1,2        the third of the long checks that CI makes; empty: all
#   R=name             the recorded run that `make runs` repeats

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

PORT ?= 8000
TORCH ?= torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PY := .venv/bin/python

# Two pages run at a time: one thread of linear algebra each.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1
export PYTHONPATH := $(CURDIR)
export PYTHONUNBUFFERED := 1

PYTEST := $(PY) -m pytest --ignore=tests/browser --ignore=tests/test_notebooks.py

# A third of the routes, notebooks and browser tests, 0, 1 or 2; empty: all.
export THIRD ?=

.PHONY: help book test builds quick check page serve tangle tangled recorded runs \
	routes bench lint dist clean setup setup-test browser notebooks frameworks corpus

help:  ## list the verbs
	@echo "zerobook: make VERB"
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  \1  \2/p' $(MAKEFILE_LIST) \
	  | awk '{v = $$1; $$1 = ""; printf "  %-10s%s\n", v, $$0}'

book: tangle  ## build the whole book into _build/html
	@$(PY) -m zerobook book

page: tangle  ## rebuild one page: make page P=book/foundations/losses.md
	@test -n "$(P)" || { echo "Which page? make page P=book/foundations/losses.md" >&2; exit 2; }
	@$(PY) -m zerobook book --page "$(P)"

serve: tangle  ## build the book and open it on this machine alone
	@$(PY) -m zerobook book --serve --port $(PORT)

test: setup-test  ## run the tests, and the examples in the docstrings
	@$(PYTEST) -n 2 --dist loadfile --doctest-modules -m "not build" zerobook tests

tangle: setup  ## write zerobook/ from the chapters
	@$(PY) -m zerobook tangle

builds: setup-test  ## run the tests that build small sites, the wheel and every snapshot
	@$(PYTEST) -n 2 -m build tests

quick: setup-test  ## what CI asks first: tangle, lint, test
	@tools/timed.sh tangled lint test

check: setup-test  ## everything that CI asks, and what took how long
	@tools/timed.sh tangled recorded lint test builds book routes browser \
	  notebooks
	@echo "make check: all of it passed"

tangled: setup
	@$(PY) -m zerobook tangle --check

recorded: setup
	@$(PY) -m zerobook runs --check

runs: tangle  ## run what is too long for a build, where its record is stale, or R=name
	@$(PY) -m zerobook runs $(R)

frameworks: tangle  ## train one model in TensorFlow and JAX too (2 GB), against the record
	@if [ -n "$(THIRD)" ] && [ "$(THIRD)" != 2 ]; then \
	  echo "make frameworks: left to another run (THIRD=$(THIRD))"; exit 0; fi; \
	python=$$(tools/find_python.sh $(if $(PYTHON),"$(PYTHON)")) \
	  && "$$python" tools/set_up.py --venv=.venv-frameworks \
	    --extras=frameworks --pins=frameworks- \
	  && .venv-frameworks/bin/python -m zerobook frameworks

routes: setup  ## run each page against the library as it stands there, on both routes
	@$(PY) -m zerobook routes $(if $(THIRD),--third $(THIRD))

corpus: setup  ## freeze the chapters' prose anew, and print the sum to change
	@$(PY) -c "from zerobook.press.prose import freeze; print(freeze())"

bench: setup-test  ## measure speed against scikit-learn's and PyTorch's, and the build's
	@$(PY) -m bench

lint: setup-test  ## the linter's few rules
	@$(PY) -m ruff check .

browser: setup-test  ## look at the built book in a browser
	@$(PY) -m pytest -n 2 tests/browser

notebooks: setup-test  ## run the downloadable notebooks against the built wheel
	@$(PY) -m pytest -s tests/test_notebooks.py

dist: setup-test  ## build the wheel and the source archive into dist/
	@$(PY) -m build --no-isolation --outdir dist .

clean:  ## remove all that was built; .venv stays
	rm -rf _build .jupyter_cache build dist conf.py *.egg-info \
	  .pytest_cache .hypothesis .ruff_cache
	find zerobook tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} +

EXTRAS := book
setup-test: EXTRAS := book,test
setup setup-test:
	@python=$$(tools/find_python.sh $(if $(PYTHON),"$(PYTHON)")) \
	  && "$$python" tools/set_up.py --torch="$(TORCH)" \
	    --torch-index="$(TORCH_INDEX)" --extras=$(EXTRAS)
