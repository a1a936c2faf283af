# `make mnist` and `make test` need Python 3.11 or newer and a package index, and install everything
# else into .venv.

PYTHON ?= python3
VENV := .venv/bin/python
# Tests spend most of their time compiling. XLA compiles faster without optimizations, without fusion
# emitters, and with one module per program. XLA exits if it does not know one of FLAGS, so they are
# tried first, and left out if that fails. Tests of bit equality (marker `default_xla`) use the
# default flags, as users do.
FLAGS := --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1
KNOWN = $(shell { XLA_FLAGS="$(FLAGS)" $(VENV) -c 'import jax; jax.devices()'; } >/dev/null 2>&1 && echo "$(FLAGS)")
FAST_XLA = XLA_FLAGS="--xla_backend_optimization_level=0 $(KNOWN)"
# Many processes import the same modules, so their bytecode is kept.
PYTEST = env -u PYTHONDONTWRITEBYTECODE $(VENV) -m pytest --numprocesses 2
DEFAULT_XLA_TESTS = $(shell grep -rl --include='test_*.py' default_xla tests)

.PHONY: mnist gallery test test-browser stress lint docs dist

mnist: .venv/run
	@$(VENV) -m experiments.mnist_cnn --preset quick --conditional --steps 500 --decay-steps 500 --workdir runs/quick

gallery: .venv/run
	@$(VENV) -m experiments.gallery

test: .venv/test
	$(PYTEST) --dist load -m default_xla $(DEFAULT_XLA_TESTS)
	$(FAST_XLA) $(PYTEST) --dist worksteal -m "not default_xla"
	$(FAST_XLA) JAX_ENABLE_X64=1 $(PYTEST) --dist load tests/test_losses.py tests/test_penalties.py \
		tests/dynamics/test_closed_forms.py

# The tests of the report in a browser. Chromium must be installed.
test-browser: .venv/browser
	$(FAST_XLA) $(PYTEST) --browser tests/browser

# The robustness tests at full count (kills, corruption, full disks, fuzzing, devices, processes),
# and the other long tests.
stress: .venv/test
	$(PYTEST) --dist load --full -rP tests/data/test_streaming.py tests/experiments/test_parity.py
	$(FAST_XLA) $(PYTEST) --dist worksteal --full -rP tests/robustness
	$(FAST_XLA) $(PYTEST) --dist worksteal --full -m stress

lint: .venv/test .venv/lint
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m pyright --pythonpath $(VENV)
	$(dir $(VENV))zizmor --offline --persona pedantic --quiet .github
	$(dir $(VENV))check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

docs: .venv/docs
	$(VENV) -m sphinx -W --keep-going -q -b html docs build/site
	@echo "The documentation is in build/site/index.html"

# The wheel and the source distribution in dist/, checked, and used in an empty environment.
dist: .venv/dist
	rm -rf dist
	$(VENV) -m build
	$(VENV) -m twine check --strict dist/*
	$(VENV) -m tests.helpers.check_dist

# The file .venv/EXTRA exists if the extra is installed.
.venv/%: pyproject.toml
	@test -x $(VENV) || $(PYTHON) -m venv .venv
	@echo "Installing what \`$*\` needs into .venv; this takes a minute or two, once."
	@$(VENV) -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
