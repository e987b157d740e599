# Two commands do everything: `make book` and `make test`.

PYTHON ?= python3
VENV ?= .venv
# What the whole environment is made from; the pins, unless another list is named.
REQUIREMENTS ?= requirements.txt
# What pip installs as PyTorch before all else, such as a CPU build; by itself it takes the registry's own wheel.
TORCH ?=
# Kernels that run at once; each gets one thread.
JOBS ?= 2

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --disable-pip-version-check --quiet
# Two environments in one place: a small one that builds the book, and the whole one, which builds it too.
SMALL = $(VENV)/.small
WHOLE = $(VENV)/.whole
export PYTHONPATH := $(CURDIR)/code$(if $(PYTHONPATH),:$(PYTHONPATH))

.PHONY: help env book test notebooks pages lint bench serve home clean

help:
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

env: $(WHOLE)  ## make the whole environment .venv from requirements.txt

define new_venv
$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
'Python is %d.%d; accepted: 3.11 to 3.13; name one: make PYTHON=python3.12 ...' % v)"
$(PYTHON) -m venv --clear $(VENV)
endef

$(SMALL): requirements-book.txt
	$(new_venv)
	$(PIP) -r requirements-book.txt
	$(PIP) --no-deps --editable .
	touch $@

$(WHOLE): $(REQUIREMENTS) requirements-book.txt
	$(new_venv)
	$(if $(TORCH),$(PIP) $(TORCH))
	$(PIP) -r $(REQUIREMENTS)
	$(PIP) --no-deps --editable .
	touch $@

book: $(or $(wildcard $(WHOLE)),$(SMALL))  ## build the HTML book, strictly, in _build/html
	$(BIN)/jupyter-book build . -W -n --keep-going --all

test: $(WHOLE)  ## run every test and every notebook
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval tests chapters -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations 20

notebooks: $(WHOLE)  ## fill from modules, execute and normalise every notebook
	$(BIN)/python -m book_tools.notebooks chapters

pages: $(WHOLE)  ## print where each page stands: words, imports, cells, pictures
	$(BIN)/python -m book_tools.pages

lint: $(WHOLE)  ## style, layout, floors, types, and the notebooks as make notebooks leaves them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m book_tools.notebooks --check chapters

bench: $(WHOLE)  ## print what is timed, as ratios
	$(BIN)/python -m benchmarks

serve: book  ## build the book and show it at http://localhost:8000
	$(BIN)/python -m http.server 8000 --bind localhost --directory _build/html

home: $(WHOLE)  ## write the public address: make home URL=https://github.com/ACCOUNT/REPOSITORY
	$(if $(URL),,$(error URL is empty; run: make home URL=https://github.com/ACCOUNT/REPOSITORY))
	$(BIN)/python -m book_tools.home '$(URL)'

clean:  ## remove the built book; keep the environment
	rm -rf _build
