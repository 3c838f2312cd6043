#!/usr/bin/env python3
"""Renew crates/runtime/data/catalogue.json, the list of Pythons that `beep-python init` can download.

    scripts/catalogue.py METADATA [OUTPUT]

METADATA is a `download-metadata.json` as the crate `uv-python` publishes it, or that crate itself (a `.crate` file).
Taken are facts only: of each version of CPython from 3.9 up the newest build for each Linux platform that we install
on, with the global interpreter lock and without, its address and SHA-256. Of pre-releases only the newest is taken, and
only while its minor version has no final release; `install_only_stripped` archives are preferred to `install_only` ones.
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
THREADS = (None, "freethreaded")


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
        and entry.get("variant") in THREADS
        and (entry["major"], entry["minor"]) >= OLDEST
        and entry["sha256"]
        and variant(entry["url"])
    )


def newest(metadata):
    best = {}
    final = {series(entry) for entry in metadata.values() if wanted(entry) and not entry["prerelease"]}
    for entry in filter(wanted, metadata.values()):
        pre = entry["prerelease"]
        if pre and series(entry) in final:
            continue
        # Pre-releases of a version share a slot, so that the newest wins.
        slot = (*series(entry), entry["patch"])
        rank = (pre_release_rank(pre), entry["build"], VARIANTS.index(variant(entry["url"])))
        if slot not in best or rank > best[slot][0]:
            best[slot] = (rank, entry)
    return [best[slot][1] for slot in sorted(best)]


def series(entry):
    """What the builds of one minor version have in common, in the order of the catalogue."""
    threads = THREADS.index(entry.get("variant"))
    return (entry["major"], entry["minor"], threads, entry["arch"]["family"], entry["libc"])


def release(entry):
    version = f"{entry['major']}.{entry['minor']}.{entry['patch']}{entry['prerelease']}"
    platform = f"linux-{entry['arch']['family']}-{entry['libc']}"
    assert f"cpython-{version}+" in unquote(entry["url"]), entry["url"]
    free_threaded = entry.get("variant") == "freethreaded"
    facts = {
        "name": f"cpython-{version}{'t' if free_threaded else ''}-{platform}",
        "version": version,
        "platform": platform,
        "url": entry["url"],
        "sha256": entry["sha256"],
    }
    return facts | ({"free_threaded": True} if free_threaded else {})


def written(releases):
    """Writes a release a line, so that a catalogue can be read, and compared with the one before."""
    lines = ",\n".join(f"  {json.dumps(facts)}" for facts in releases)
    return f'{{\n "default": "{DEFAULT}",\n "releases": [\n{lines}\n ]\n}}\n'


def main(arguments):
    if len(arguments) not in (1, 2):
        raise SystemExit(__doc__)
    output = Path(arguments[1]) if len(arguments) == 2 else OUTPUT
    releases = [release(entry) for entry in newest(read_metadata(Path(arguments[0])))]
    if not any(r["version"].startswith(DEFAULT + ".") for r in releases):
        raise SystemExit(f"{arguments[0]} has no build of the default version {DEFAULT}")
    output.write_text(written(releases))
    print(f"{output}: {len(releases)} builds")


if __name__ == "__main__":
    main(sys.argv[1:])
