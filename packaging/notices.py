#!/usr/bin/env python3
"""What is built into the binary: `python3 packaging/notices.py TARGET FOLDER`.

Writes into FOLDER the licences of all crates in it, `THIRD-PARTY-LICENSES.txt`, and a bill of materials in the format
CycloneDX 1.5, `beep-python.cdx.json`. Crates that are only for tests, or run only while others are built, are in neither.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "beep-python"
TEXTS = re.compile(r"(?i)^(licen[cs]e|copying|notice|unlicense|copyright)")


def built_in(target):
    """The command and each crate it is linked with: by id its metadata, and the ids that it depends on."""
    told = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target],
        cwd=ROOT, check=True, stdout=subprocess.PIPE,
    )
    metadata = json.loads(told.stdout)
    crates = {crate["id"]: crate for crate in metadata["packages"]}
    needs = {
        node["id"]: sorted(
            needed["pkg"] for needed in node["deps"] if any(kind["kind"] is None for kind in needed["dep_kinds"])
        )
        for node in metadata["resolve"]["nodes"]
    }
    found, todo = {}, [crate["id"] for crate in metadata["packages"] if crate["name"] == COMMAND]
    while todo:
        crate = todo.pop()
        if crate not in found:
            found[crate] = (crates[crate], needs[crate])
            todo += needs[crate]
    return dict(sorted(found.items(), key=lambda entry: (entry[1][0]["name"], entry[1][0]["version"])))


def hashes():
    """By name and version the SHA-256 of a crate's archive."""
    locked = (ROOT / "Cargo.lock").read_text()
    return {
        (name, version): digest
        for name, version, digest in re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(\w{64})"', locked)
    }


def licence_texts(crate):
    folder = Path(crate["manifest_path"]).parent
    named = [folder / crate["license_file"]] if crate["license_file"] else []
    files = {*named, *(path for path in folder.iterdir() if TEXTS.match(path.name) and path.is_file())}
    return [path.read_text(errors="replace").strip() for path in sorted(files)]


def third_party(crates):
    """Each text once, behind the crates that it is of."""
    holders = {}
    for crate, _ in crates:
        name = f"{crate['name']} {crate['version']} ({crate['license']})"
        for text in licence_texts(crate) or [f"The crate has no text of its licence. It is {crate['license']}."]:
            holders.setdefault(text, []).append(name)
    line = "=" * 100
    parts = [f"{line}\n" + "\n".join(names) + f"\n{line}\n\n{text}\n" for text, names in holders.items()]
    return f"{COMMAND} is linked with these crates.\n\n" + "\n".join(parts)


def bill_of_materials(crates, digests):
    def reference(crate):
        return f"pkg:cargo/{crate['name']}@{crate['version']}"

    def component(crate):
        digest = digests.get((crate["name"], crate["version"]))
        return {
            "type": "application" if crate["name"] == COMMAND else "library",
            "bom-ref": reference(crate),
            "name": crate["name"],
            "version": crate["version"],
            "purl": reference(crate),
            "licenses": [{"expression": crate["license"].replace("/", " OR ")}],
            **({"hashes": [{"alg": "SHA-256", "content": digest}]} if digest else {}),
        }

    by_id = {crate["id"]: crate for crate, _ in crates}
    command = next(crate for crate in by_id.values() if crate["name"] == COMMAND)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(command)},
        "components": [component(crate) for crate in by_id.values() if crate is not command],
        "dependencies": [
            {"ref": reference(crate), "dependsOn": [reference(by_id[needed]) for needed in needs]} for crate, needs in crates
        ],
    }


def main(target, folder):
    crates = list(built_in(target).values())
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    others = [(crate, needs) for crate, needs in crates if crate["source"]]
    (folder / "THIRD-PARTY-LICENSES.txt").write_text(third_party(others))
    (folder / f"{COMMAND}.cdx.json").write_text(json.dumps(bill_of_materials(crates, hashes()), indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
