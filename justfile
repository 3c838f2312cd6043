# Recipes for those who have `just`; each is one command that works without it too.

# What a newcomer runs first
quickstart:
    cargo run --release -p beep-python -- quickstart

# All tests
test:
    cargo test --workspace

# What continuous integration checks
check:
    bash .ci/run

# Run every benchmark and write benches/RESULTS.md, with a Python that has the peers (see benches/run)
bench PEERS="python3":
    benches/run --peers {{PEERS}}

# Drive a release binary with all operations and faults at once, for an hour or so many minutes (see CONTRIBUTING.md)
soak MINUTES="60" PYTHON="python3":
    cargo build --release -p beep-python
    {{PYTHON}} scripts/soak --minutes {{MINUTES}}

# Make packages of the release binary, and use each as a stranger would
package *KINDS="tarball wheel deb container":
    scripts/package {{KINDS}}
    scripts/try-packages {{KINDS}}

# Format everything
fmt:
    cargo fmt --all

# The Python side alone, with the Python of your choice
python PYTHON="python3":
    {{PYTHON}} -m unittest discover -s crates/runtime/python/tests -t crates/runtime/python

# Renew the catalogue of runtimes from a data file (see CONTRIBUTING.md)
catalogue FILE:
    python3 scripts/catalogue.py {{FILE}}
