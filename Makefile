# make tour    sets everything up and runs the main job
# make test    sets everything up and runs the tests
# make lint    the linters        make build  compiles what has changed        make wheel  dist/*.whl
# make clean   removes what was built (not the .venv)
PYTHON ?= python3
BIN := .venv/bin
NATIVE := $(shell find csrc engine -name '*.h' -o -name '*.inc' -o -name '*.cpp' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi')

.PHONY: tour test lint build wheel clean

tour: .venv/built
	$(BIN)/loopnest tour

test: .venv/built .venv/test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup

lint: .venv/built .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH=$(BIN):$$PATH $(BIN)/cython-lint engine
	find csrc tests -name '*.h' -o -name '*.cpp' | xargs $(BIN)/clang-format --dry-run --Werror

build: .venv/built

wheel: .venv/built
	$(BIN)/pip wheel --no-deps -w dist .

# ---- set-up: each stamp is made again only when what it depends on has changed ----

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "loopnest needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --upgrade pip 'setuptools>=77' 'Cython>=3.1' 'pybind11>=2.13' 'numpy>=2.0'
	@touch $@

.venv/installed: .venv/made pyproject.toml
	$(BIN)/pip install -q --no-build-isolation -e '.[cli,plot,data,io]'
	@touch $@

.venv/built: .venv/installed setup.py $(NATIVE)
	$(BIN)/python setup.py -q build_ext --inplace
	@touch $@

.venv/test: .venv/installed
	$(BIN)/pip install -q --no-build-isolation -e '.[test]'
	@touch $@

.venv/lint: .venv/installed
	$(BIN)/pip install -q --no-build-isolation -e '.[lint]'
	@touch $@

clean:
	rm -rf build dist loopnest-tour *.egg-info python/*.egg-info .venv/built .venv/installed
	find python engine -name '*.so' -delete
