#!/usr/bin/env python3
"""Renew crates/runtime/data/catalogue.json, the list of Pythons that `beep-python init` can download.

    scripts/catalogue.py METADATA [OUTPUT]

METADATA is a `download-metadata.json` as the crate `uv-python` publishes it, or that crate itself (a `.crate` file).
Taken are facts only: of each minor version of CPython from 3.9 up the newest build for each Linux platform that we
install on, with its address and SHA-256. A release candidate is taken only while its minor version has no final
release; `install_only_stripped` archives are preferred to `install_only` ones.
"""

import json
import re
import sys
import tarfile
from pathlib import Path
from urllib.parse import unquote

OUTPUT = Path(__file__).resolve().parent.parent / "crates/runtime/data/catalogue.json"
ARCHITECTURES = ("aarch64", "x86_64")
LIBCS = ("gnu", "musl")
OLDEST = (3, 9)
# The newest minor version that the Python side is tested on.
DEFAULT = "3.13"
VARIANTS = ("install_only", "install_only_stripped")  # the better one last


def read_metadata(path):
    if path.suffix != ".crate":
        return json.loads(path.read_text())
    with tarfile.open(path) as crate:
        for member in crate:
            if member.name.endswith("/download-metadata.json"):
                return json.load(crate.extractfile(member))
    raise SystemExit(f"{path} holds no download-metadata.json")


def pre_release_rank(word):
    """Final after candidate after beta after alpha, and each by its number."""
    if not word:
        return (3, 0)
    kind, number = re.fullmatch(r"(a|b|rc)(\d+)", word).groups()
    return (("a", "b", "rc").index(kind), int(number))


def variant(url):
    found = re.search(r"-(install_only(?:_stripped)?)\.tar\.gz$", url)
    return found and found.group(1)


def wanted(entry):
    return (
        entry["name"] == "cpython"
        and entry["os"] == "linux"
        and entry["arch"]["family"] in ARCHITECTURES
        and entry["arch"].get("variant") is None
        and entry["libc"] in LIBCS
        and entry.get("variant") is None
        and (entry["major"], entry["minor"]) >= OLDEST
        and entry["sha256"]
        and variant(entry["url"])
    )


def newest(metadata):
    best = {}
    for entry in filter(wanted, metadata.values()):
        slot = (entry["major"], entry["minor"], entry["arch"]["family"], entry["libc"])
        pre = entry["prerelease"]
        rank = (
            not pre,
            entry["patch"],
            pre_release_rank(pre),
            entry["build"],
            VARIANTS.index(variant(entry["url"])),
        )
        if slot not in best or rank > best[slot][0]:
            best[slot] = (rank, entry)
    return [best[slot][1] for slot in sorted(best)]


def release(entry):
    version = f"{entry['major']}.{entry['minor']}.{entry['patch']}{entry['prerelease']}"
    platform = f"linux-{entry['arch']['family']}-{entry['libc']}"
    assert f"cpython-{version}+" in unquote(entry["url"]), entry["url"]
    return {
        "name": f"cpython-{version}-{platform}",
        "version": version,
        "platform": platform,
        "url": entry["url"],
        "sha256": entry["sha256"],
    }


def main(arguments):
    if len(arguments) not in (1, 2):
        raise SystemExit(__doc__)
    output = Path(arguments[1]) if len(arguments) == 2 else OUTPUT
    releases = [release(entry) for entry in newest(read_metadata(Path(arguments[0])))]
    if not any(r["version"].startswith(DEFAULT + ".") for r in releases):
        raise SystemExit(f"{arguments[0]} has no build of the default version {DEFAULT}")
    output.write_text(json.dumps({"default": DEFAULT, "releases": releases}, indent=1) + "\n")
    print(f"{output}: {len(releases)} builds")


if __name__ == "__main__":
    main(sys.argv[1:])
