# Every target is a thin name for bootstrap.py, which makes .venv when it is missing or out of date.
# On Windows, which has no make, call it yourself: python bootstrap.py lab
PYTHON ?= python3
ARGS ?=
UPGRADE ?=

.DEFAULT_GOAL := help
.PHONY: help lab test build bench soak mutants data lock

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

lab:  ## Open JupyterLab on the first lesson.
	@$(PYTHON) bootstrap.py lab $(ARGS)

test:  ## Run every test: the helpers, and the stored outputs of every notebook.
	@$(PYTHON) bootstrap.py test $(ARGS)

build:  ## Run the notebooks, derive the exercises, rewrite the README's table. One lesson: ARGS=24_hold_out_data
	@$(PYTHON) bootstrap.py build $(ARGS)

bench:  ## Measure speed and memory against peers, and each lesson: ARGS="service", or the stem of a lesson.
	@$(PYTHON) bootstrap.py bench $(ARGS)

soak:  ## Kill the service every 30 s for ten minutes under eight clients: nothing that was answered may be lost.
	@$(PYTHON) bootstrap.py soak $(ARGS)

mutants:  ## Judge the checks: each must refuse at least 90 % of the mutants of its solution (slow).
	@$(PYTHON) bootstrap.py mutants $(ARGS)

data:  ## Build the shipped data files anew from their origins, to the same bytes (needs the network).
	@$(PYTHON) bootstrap.py data $(ARGS)

# No index address goes into the lock, so that a mirror or a folder of wheels serves as well.
COMPILE = @$(PYTHON) bootstrap.py uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11 $(UPGRADE) pyproject.toml

lock:  ## Write the lock from pyproject.toml (needs the network). To newest versions: UPGRADE=--upgrade
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --group dev --constraint requirements.txt --output-file requirements-dev.txt
