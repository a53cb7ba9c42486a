# make demo: sets up .venv, fits the example data, says where the page is.   make test: sets up .venv, runs the tests.
PYTHON ?= python3
EXTRAS ?= dev
VENV := .venv
RUN := $(VENV)/bin
STAMP = $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
comma := ,

# Threads that wait by spinning make a fit many times slower on a machine that others use too.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test lint setup clean

demo: setup
	$(RUN)/smplifyx run configs/demo.yaml

test: setup
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n auto --dist loadfile

lint: setup
	$(RUN)/ruff check .
	$(RUN)/ruff format --check --quiet .
	$(RUN)/pyright

setup: $(STAMP)

# torch first and on its own: left to the resolver, the wheel with CUDA libraries may come along with it.
$(STAMP): setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info demo
