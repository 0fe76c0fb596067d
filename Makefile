# Everything that a person types here: `make help` lists it.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
LESSON := course/quickstart.md
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help lab book test bench pins clean

help: ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1	/' | expand -t 14

lab: $(VENV)/.lab ## set up once, open the course in JupyterLab (ARGS=--no-browser for a server)
	@$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/$(LESSON) $(ALLOW_ROOT) $(ARGS)

book: $(VENV)/.book ## build the website, which needs no network and no server, and a zip of it
	@$(BIN)/python book/build.py $(ARGS)

test: $(VENV)/.test ## set up once, run every test, the browser's too
	@$(BIN)/python tests/run.py $(ARGS)

bench: $(VENV)/.bench ## side by side with the peers, as ratios (ARGS=--quick on small data, ARGS=pca some rows)
	@PYTHONPATH=tests $(BIN)/python -m bench.run $(ARGS)

pins: ## pin anew what a workshop's machine runs on, in binder/requirements.txt
	@env=$$(mktemp -d) && $(PYTHON) -m venv $$env && $$env/bin/python -m pip install --quiet '.[lab]' && \
	{ echo "# What a workshop runs on: the base and lab dependencies of pyproject.toml, pinned."; \
	  echo "# Remake with: make pins"; \
	  $$env/bin/python -m pip freeze --exclude endmember; } > $$env/pins && \
	mv $$env/pins binder/requirements.txt && rm -rf $$env

clean: ## forget the environment and what was built
	rm -rf $(VENV) build

# JupyterLab refuses to start for root, as in a container, unless told that it is meant.
ALLOW_ROOT := $(shell test "$$(id -u)" = 0 && echo --allow-root)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "endmember needs Python 3.11 or newer; say which: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.lab: pyproject.toml hatch_build.py binder/labconfig/default_setting_overrides.json | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[lab]'
	mkdir -p $(VENV)/etc/jupyter/labconfig
	cp binder/labconfig/default_setting_overrides.json $(VENV)/etc/jupyter/labconfig/
	touch $@

$(VENV)/.book: pyproject.toml | $(VENV)/.lab
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[book]'
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.lab
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@
