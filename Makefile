# make demo | test | bench | soak | lint: each sets up what it needs. Windows and macOS: see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
JOBS ?= 3

.PHONY: demo test bench soak lint clean

demo: $(READY)
	@$(BIN)/python main.py gui --demo $(ARGS)

test: $(READY) lint
	@QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

bench: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check ".[bench]"
	@QT_QPA_PLATFORM=offscreen $(BIN)/python -m tests.benchmarks $(ARGS)

soak: $(READY)
	@QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

lint: $(READY)
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

$(READY): pyproject.toml
	@sh .ci/prepare "$(PYTHON)" "$(VENV)"
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache screenshots
