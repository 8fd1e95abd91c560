# `make demo` and `make test` are all a newcomer needs; everything they install goes below .deps/.

.PHONY: build demo test bench header clean

PYTHON ?= python3

build:
	cargo build --release

# Answers real DNS queries through the handler, beside asyncio and uvloop.
demo: build
	$(PYTHON) bindings/python/examples/demo.py

# What CI runs. Ends with a table of what ran and what was not found.
test: build
	$(PYTHON) tests/run.py

# Ours and the peers on the same work in one run; writes bench/results.*
bench: build
	$(PYTHON) bench/run.py

# Writes the header, and Python's declarations, anew after a change of src/ffi.
header:
	UPDATE=1 cargo test --quiet --test header
	$(PYTHON) tests/run.py --tools
	PYTHONPATH=.deps/tools $(PYTHON) bindings/python/generate_abi.py

clean:
	cargo clean
	rm -rf .deps
