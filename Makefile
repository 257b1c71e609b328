# make demo    see everything work      make test    run the tests      make check   lint, format, types
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: demo test check format docs build clean

demo: $(VENV)/installed
	$(BIN)/aubench demo

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadscope

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-dev
	$(BIN)/python -m docs.api_pages

build: $(VENV)/installed-dev
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "aubench needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing into $(VENV) (a few minutes the first time)"
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@$(MAKE) --no-print-directory opencv-without-display
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@$(MAKE) --no-print-directory opencv-without-display
	@touch $@

# opencv-python links against libGL, which a bare container does not have. The headless build of the
# same version holds the same cv2 without windows.
.PHONY: opencv-without-display
opencv-without-display:
	@$(BIN)/python -c 'import cv2' 2>/dev/null || \
		$(PIP) install --quiet --no-deps --force-reinstall \
		"opencv-python-headless==$$(sed -n 's/^opencv-python==//p' constraints.txt)"
