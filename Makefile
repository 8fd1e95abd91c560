# `make demo` and `make test` are all a newcomer needs; everything they install goes below .deps/.

.PHONY: build install uninstall wheel demo test bench docs header abi clean

PYTHON ?= python3
LIBRARY = target/release/libpyhelpers.so

build:
	cargo build --release
	ln -sfn libpyhelpers.so $(LIBRARY).0

# Below PREFIX, /usr/local unless told; LIBDIR, INCLUDEDIR and DESTDIR are for distributions.
install: $(LIBRARY)
	sh packaging/install.sh install

uninstall:
	sh packaging/install.sh uninstall

# Root seldom has cargo: it is asked only when something is newer than the library.
$(LIBRARY): $(shell find src -name '*.rs') Cargo.toml Cargo.lock build.rs
	$(MAKE) build
	touch $@

# One wheel for all Pythons, and the sdist, into target/wheel/dist/.
wheel:
	$(PYTHON) packaging/wheel.py

# Answers real DNS queries through the handler, beside asyncio and uvloop.
demo: build
	$(PYTHON) bindings/python/examples/demo.py

# What CI runs. Ends with a table of what ran and what was not found.
test: build
	$(PYTHON) tests/run.py

# Ours and the peers on the same work in one run; writes bench/results.*
bench: build
	$(PYTHON) bench/run.py

# The documentation, without a warning: target/docs/html/index.html
docs: build
	$(PYTHON) tests/run.py --only documentation

# Writes the header, and Python's declarations, anew after a change of src/ffi.
header:
	UPDATE=1 cargo test --quiet --test header
	$(PYTHON) tests/run.py --tools
	PYTHONPATH=.deps/tools $(PYTHON) bindings/python/generate_abi.py

# Takes the ABI as it is now; `make test` fails while it is not what was taken.
abi:
	$(PYTHON) tests/install/abi_baseline.py --update

clean:
	cargo clean
	rm -rf .deps
