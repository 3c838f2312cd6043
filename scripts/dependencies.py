#!/usr/bin/env python3
"""Checks the crates that are built in: `python3 scripts/dependencies.py`.

Prints each crate whose licence is not allowed, that comes from elsewhere than the registry, without the hash of its
archive in Cargo.lock, or that is banned, and each requirement of ours that any version satisfies. Exits with 1 if there is one.

Known vulnerabilities are not looked for: that needs the advisory database. `cargo audit` does it where that is reached.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Permissive ones, and one for files that stay as they are.
LICENCES = {
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
}
BANNED = {
    "openssl-sys": "TLS is rustls, so that the binary needs no library of the machine",
    "native-tls": "TLS is rustls, so that the binary needs no library of the machine",
    "libsqlite3-sys": "the home is files, which other programs and users can read",
}


def is_allowed(expression):
    """Whether an SPDX expression can be satisfied with the allowed licences. An exception only adds to what a licence allows."""
    tokens = re.findall(r"[()]|[\w.+-]+", re.sub(r"\s+WITH\s+[\w.+-]+", "", expression).replace("/", " OR "))

    def either():
        value = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token != "(":
            return token in LICENCES
        value = either()
        tokens.pop(0)
        return value

    return either()


def main():
    told = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE,
    )
    metadata = json.loads(told.stdout)
    locked = (ROOT / "Cargo.lock").read_text()
    hashed = set(re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "\w{64}"', locked))
    # Cargo's own, which it calls by its index: another would be a second one here.
    registries = {crate["source"] for crate in metadata["packages"] if crate["source"]}
    registry = min((source for source in registries if source.startswith("registry+")), default=None)
    ours, wrong = set(metadata["workspace_members"]), []
    for crate in metadata["packages"]:
        name = f"{crate['name']} {crate['version']}"
        if not crate["license"] or not is_allowed(crate["license"]):
            wrong.append(f"{name}: its licence is {crate['license'] or 'not said'}")
        if crate["name"] in BANNED:
            wrong.append(f"{name}: {BANNED[crate['name']]}")
        if crate["id"] in ours:
            for needed in crate["dependencies"]:
                if needed["req"] == "*" and not needed.get("path"):
                    wrong.append(f"{name} takes any version of {needed['name']}")
        elif crate["source"] != registry:
            wrong.append(f"{name}: it comes from {crate['source']}")
        elif (crate["name"], crate["version"]) not in hashed:
            wrong.append(f"{name}: Cargo.lock has no hash of it")
    for line in wrong:
        print(line)
    if not wrong:
        print(f"{len(metadata['packages'])} crates are in order")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
