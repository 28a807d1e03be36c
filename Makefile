# Everything a developer runs. `make demo` and `make test` work in a fresh checkout.

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
WORKERS ?= 2
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
TOOLS := $(VENV)/.tools
INSTALLED := $(VENV)/.torch.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

FUZZ ?= 10000

.PHONY: help demo test check browser docs zoo site fuzz sweep mutants forms golden bench format clean

help:
	@echo 'make demo    install into $(VENV) and print what a real model costs'
	@echo 'make test    everything CI runs: format, lint, types, tests, docs'
	@echo 'make check   format, lint and types only'
	@echo 'make mutants break each formula, and see its proof fail (a few minutes)'
	@echo 'make docs    write the generated pages, tables and pictures of docs/ anew'
	@echo 'make zoo     count every model of torchvision, timm and transformers for docs/ anew (minutes)'
	@echo 'make site    build the website of docs/ into build/site'
	@echo 'make fuzz    run 10,000 random programs (FUZZ=N), and print what differs'
	@echo "make sweep   hold stand-ins to PyTorch's own samples of each operator (minutes; SWEEP=part of a name)"
	@echo 'make forms   hold closed forms to runs at 20 sizes for each model (several minutes)'
	@echo 'make golden  write the figures of tests/golden anew, and print what moved'
	@echo 'make bench   time flopsight beside other tools (about three quarters of an hour)'
	@echo 'make format  format the code and fix what the linter can fix'
	@echo 'make clean   remove $(VENV) and caches'
	@echo 'Another PyTorch: make demo TORCH=torch==2.9.1, make test TORCH=torch==2.9.1 VENV=.venv-2.9 PYTHON=python3.12'

# PyTorch first and by itself; nothing below may pull in another build of it. torchvision, of the version that goes with
# it, is optional for the demo.
$(RUNTIME): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) "$(TORCH)" numpy pillow
	$(BIN)/python -c 'import importlib.metadata as m; print("torch==" + m.version("torch"))' > $(INSTALLED)
	-$(PIP) --constraint $(INSTALLED) torchvision
	$(PIP) --constraint $(INSTALLED) --editable .
	@touch $@

$(TOOLS): $(RUNTIME) requirements/tools.txt requirements/docs.txt requirements/models.txt requirements/peers.txt
	$(PIP) --constraint $(INSTALLED) --requirement requirements/tools.txt --requirement requirements/docs.txt
	$(PIP) --no-deps --requirement requirements/models.txt
	-$(PIP) --no-deps --no-build-isolation --requirement requirements/peers.txt
	@touch $@

demo: $(RUNTIME)
	@if $(BIN)/python -c 'import sys, importlib.util as u; sys.exit(not u.find_spec("torchvision"))'; then \
	  set -x; $(BIN)/flopsight torchvision:resnet50; \
	else \
	  set -x; $(BIN)/flopsight examples/gpt2.py:make --input 1,1024:int64; \
	fi

check: $(TOOLS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The report is tested in Chromium. Where this cannot install it, those tests say that they are skipped.
browser:
	@command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -q && apt-get install -q -y chromium; } || \
	  echo 'There is no Chromium, and it cannot be installed here: the tests of the report in a browser are skipped.'

test: check site browser
	$(BIN)/python -m pytest --numprocesses $(WORKERS)

fuzz: $(TOOLS)
	$(BIN)/python tests/fuzz/check.py $(FUZZ)

sweep: $(TOOLS)
	$(BIN)/python tests/fuzz/sweep.py $(SWEEP)
	$(BIN)/python tests/fuzz/devices.py $(SWEEP)

mutants: $(TOOLS)
	$(BIN)/python tests/mutation.py

docs: $(TOOLS) browser
	$(BIN)/python -m flopsight.coverage docs/operators.md
	cd tests && for page in conventions.table compat.page picture screenshots; do $(abspath $(BIN))/python -m $$page || exit; done

zoo: $(TOOLS)
	$(BIN)/flopsight zoo torchvision --proposals 1000 --out docs/zoo-torchvision.md
	$(BIN)/flopsight zoo timm --out docs/zoo-timm.csv
	$(BIN)/flopsight zoo transformers --out docs/zoo-transformers.csv

# Not --quiet: warnings that are not shown do not count. The variable keeps the theme's notice away that it will end, of
# which requirements/docs.txt tells.
site: $(TOOLS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

forms: $(TOOLS)
	EXAMPLES=20 $(BIN)/python -m pytest --numprocesses $(WORKERS) tests/closed_form

golden: $(TOOLS)
	$(BIN)/python tests/golden/figures.py

bench: $(TOOLS)
	$(BIN)/python benchmarks/bench.py

format: $(TOOLS)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
