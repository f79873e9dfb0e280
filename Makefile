# make app   the user interface on http://localhost:8501 (PORT=... for another port)
# make test  all tests
# make lint  ruff and mypy
# make audit known holes in code and packages
# make docs  the documentation as a site in site/
# make bench speed, memory and accuracy of every engine
#
# Each one builds the environment in .venv first; when the requirements have not changed that takes no time.

PYTHON ?= python3
PORT ?= 8501
TESTS ?=
BENCH ?=
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help app demo test lint audit docs bench browser archive clean

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet

help: ## list what there is
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1|/' | awk -F'|' '{printf "%-14s%s\n", $$1, $$2}'

app: .venv/.app ## the user interface on http://localhost:8501
	$(BIN)/streamlit run app/main.py --server.port $(PORT)

demo: .venv/.app ## the small Gradio page, with an API, on http://localhost:7860
	$(BIN)/python -m app.gradio_demo

# What starts a server comes after the rest, two tests at a time: most of each is waiting for a browser.
test: .venv/.dev browser archive ## all tests; TESTS="tests/app -k slider" for some of them
ifeq ($(TESTS),)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and not server"
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "server and not slow"
else
	$(BIN)/python -m pytest $(TESTS)
endif

lint: .venv/.dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit: .venv/.dev ## bandit on the code, pip-audit on the packages
	$(BIN)/python .ci/audit.py

# Not --quiet: mkdocs then counts no warnings, and --strict lets them pass.
docs: .venv/.dev ## the documentation as a site in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: .venv/.dev ## speed, memory and accuracy of every engine; BENCH="networks path" for some of them
	$(BIN)/python -m benchmarks $(BENCH)

clean: ## remove the environment and the caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache site

# Debian keeps venv in a package of its own: fetched where that is possible, named where it is not.
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "$(PYTHON): not Python 3.11 or newer; install one, or name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv; } || \
	  { echo "$(PYTHON): no venv module; install it first: sudo apt-get install python3-venv" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "$(PYTHON): could not make .venv; on Debian: sudo apt-get install python3-venv" >&2; exit 1; }
	@touch $@

.venv/.app: requirements.txt pyproject.toml | .venv/.python
	@echo "Installing what the app needs into .venv (minutes the first time) ..."
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt pyproject.toml | .venv/.python
	@echo "Installing what the tests need into .venv (minutes the first time) ..."
	@$(PIP) -r requirements-dev.txt
	@touch .venv/.app $@

# The browser tests drive Debian's Chromium; without one they are skipped and everything else runs.
browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
	  if command -v $$name >/dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the browser tests ..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
	    >/dev/null && exit 0; fi; \
	echo "No Chromium found: the browser tests are skipped. To run them: sudo apt-get install chromium"

# The tests of DICOM results ask the programs that hospitals use; without them those tests are skipped.
archive:
	@if command -v dciodvfy >/dev/null && command -v storescu >/dev/null && command -v Orthanc >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Orthanc, DCMTK and dicom3tools for the tests of DICOM results ..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    orthanc orthanc-dicomweb dcmtk dicom3tools >/dev/null && exit 0; fi; \
	echo "No Orthanc, DCMTK or dicom3tools found: the tests that need them are skipped. To run them:" \
	  "sudo apt-get install orthanc orthanc-dicomweb dcmtk dicom3tools"
