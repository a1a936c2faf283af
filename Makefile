# `make mnist` and `make test` need Python 3.11 or newer and a package index, and do the rest.

PYTHON ?= python3
VENV := .venv/bin/python
# Most of a test's time goes into compiling; what must be bit for bit the same is tested in programs as users have them.
AS_USED := $(patsubst %,tests/test_%.py,training population parity streams)
# Without these emitters it takes half as long; newer releases of XLA have nothing else, and end where they are told so.
EMITTERS := --xla_cpu_use_fusion_emitters=false
KNOWN = $(shell { XLA_FLAGS=$(EMITTERS) $(VENV) -c 'import jax; jax.devices()'; } >/dev/null 2>&1 && echo $(EMITTERS))
QUICKLY = XLA_FLAGS="--xla_backend_optimization_level=0 $(KNOWN)"

.PHONY: mnist gallery test torture lint

mnist: .venv/run
	@$(VENV) -m experiments.mnist_cnn --preset tuned --steps 700 --workdir runs/quick

gallery: .venv/run
	@$(VENV) -m experiments.gallery

test: .venv/test
	$(VENV) -m pytest --numprocesses 2 --dist load $(AS_USED)
	$(QUICKLY) $(VENV) -m pytest --numprocesses 2 --dist worksteal $(AS_USED:%=--ignore %)
	$(QUICKLY) JAX_ENABLE_X64=1 $(VENV) -m pytest --numprocesses 2 --dist load tests/test_losses.py tests/test_penalties.py

# What `test` tries a few times, often.
TORTURES := $(patsubst %,tests/test_%.py,devices processes kills damage disk fuzz fuzz_inputs)
torture: .venv/test
	$(VENV) -m pytest --numprocesses 2 --dist load --full -rP tests/test_streams.py
	$(QUICKLY) $(VENV) -m pytest --numprocesses 2 --dist worksteal --full -rP $(TORTURES)

lint: .venv/test .venv/lint
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m pyright --pythonpath $(VENV)

# The name of the file is that of the extra it has installed.
.venv/%: pyproject.toml
	@test -x $(VENV) || $(PYTHON) -m venv .venv
	@echo "Installing what \`$*\` needs into .venv; this takes a minute or two, once."
	@$(VENV) -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
