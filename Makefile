# make demo | test | lint | bench | clean. Everything sets itself up; only Python 3.11+ is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-fast test-gpu lint bench clean system-libraries

demo: $(STAMP)
	$(BIN)/interactvlm demo

# Slow tests run last (tests/conftest.py orders them), GPU tests have their own target.
test: $(STAMP) system-libraries
	$(BIN)/python -m pytest -m "not gpu"

test-fast: $(STAMP)
	$(BIN)/python -m pytest

test-gpu: $(STAMP)
	$(BIN)/python -m pytest -m gpu

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

bench: $(STAMP)
	@for script in benchmarks/bench_*.py; do \
		[ -e "$$script" ] || continue; \
		echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
	done

# torch first, so that the build found for the pinned version is the one the rest resolves against.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,check,demo,released,train]"
	touch $(STAMP)

# Open3D's wheel loads libusb-1.0 from the system. Without it the Open3D checks skip and say so.
system-libraries:
	@if ! ldconfig -p 2>/dev/null | grep -q libusb-1.0.so.0 \
		&& [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		(apt-get update -qq && apt-get install -y -qq libusb-1.0-0) >/dev/null 2>&1 \
			|| echo "note: libusb-1.0-0 could not be installed; Open3D checks will skip"; \
	fi

clean:
	rm -rf build dist demo_output .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
