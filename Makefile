# Every target builds .venv at its first use and is quick afterwards.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# PyPI has DuckDB's httpfs for this version, and not for the one that the package needs.
HTTPFS_DUCKDB := 1.5.5
HTTPFS := .venv/httpfs-$(HTTPFS_DUCKDB)
# An extra that the tests of every change do without: 90 MB to download. constraints.txt has the versions.
RAY := .venv/ray
# Another one, which would otherwise run the networks of all tests.
OPENVINO := .venv/openvino

# Processes that run the tests; each takes about 2 GB.
JOBS ?= 2

# Audio and a model of your own for the demo: without them it plays the tutorial, which needs neither.
MODEL ?=
AUDIO ?=

.PHONY: demo test test-nightly test-ray test-openvino test-httpfs lint docs docs-serve bench dist clean

demo: $(INSTALLED)
	$(BIN)/python -m thano_duckdb demo $(if $(MODEL),--model '$(MODEL)') $(if $(AUDIO),--audio '$(AUDIO)')

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

test-nightly: $(INSTALLED) $(RAY)
	PYTHONPATH=$(CURDIR)/$(RAY) $(BIN)/python -m pytest -q -m nightly

test-ray: $(INSTALLED) $(RAY)
	PYTHONPATH=$(CURDIR)/$(RAY) $(BIN)/python -m pytest -q -s -m nightly tests/cluster/test_ray_local.py tests/cluster/test_ray_nodes.py

test-openvino: $(INSTALLED) $(OPENVINO)
	PYTHONPATH=$(CURDIR)/$(OPENVINO) $(BIN)/python -m pytest -q tests/speech/recognizer/openvino

test-httpfs: $(INSTALLED)
	test -d $(HTTPFS) || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(HTTPFS) \
		duckdb==$(HTTPFS_DUCKDB) duckdb-extension-httpfs==$(HTTPFS_DUCKDB)
	PYTHONPATH=$(HTTPFS) $(BIN)/python -m pytest -q --noconftest tests/connection/test_httpfs.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/python -m docs_build
	$(BIN)/zensical build --strict

docs-serve: $(INSTALLED)
	$(BIN)/zensical serve

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

# What would go to PyPI: the wheel and the source distribution, checked.
dist: $(INSTALLED)
	rm -rf dist
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[release]'
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

clean:
	rm -rf dist .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(RAY): pyproject.toml constraints.txt | $(INSTALLED)
	rm -rf $@
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps --target $@ \
		ray msgpack protobuf grpcio
	touch $@

$(OPENVINO): pyproject.toml constraints.txt | $(INSTALLED)
	rm -rf $@
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --target $@ \
		openvino nncf
	touch $@

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "thano_duckdb needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
