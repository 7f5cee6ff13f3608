# Each target is a command or two that can be typed by hand where there is no make, after
#     python3 -m venv .venv && .venv/bin/python -m pip install -c constraints.txt -e '.[faces]'
# (for tests '.[dev]'; on Windows .venv\Scripts instead of .venv/bin).

PYTHON ?= python3
PHOTO ?= examples/astronaut.png
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo studio test lint docs

# Edit a photo and show it: out/demo/gallery.html. What is missing is pulled (about 220 MB, once).
demo: $(VENV)/.faces
	$(BIN)/zplus demo "$(PHOTO)" -o out/demo

# The page to edit photos in the browser, with sliders. What is missing is pulled.
studio: $(VENV)/.studio
	$(BIN)/zplus pull all || echo "Not all models could be pulled: the page has those that are here."
	$(BIN)/zplus studio

# All tests. Those that need a model are skipped, with the reason, where it cannot be pulled.
# Those of the studio run by themselves: some say how soon a page must answer. So do those of compiled code: types of
# arguments are checked elsewhere, and torch's compiler cannot trace the checks.
test: $(VENV)/.dev
	$(BIN)/zplus pull all || echo "Not all models could be pulled: tests that need them are skipped."
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --ignore tests/studio --ignore tests/execution
	ZPLUS_UNCHECKED=1 $(BIN)/python -m pytest tests/execution
	$(BIN)/python -m pytest tests/studio

# Style and types.
lint: $(VENV)/.dev
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy

# The documentation site: out/site/index.html. A warning is an error. Search needs a server: python -m http.server -d out/site
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The stamp says that the extra of its name is installed. For a torch without CUDA on Linux see constraints.txt.
$(VENV)/.%: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	touch $@
