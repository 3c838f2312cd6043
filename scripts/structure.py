#!/usr/bin/env python3
"""Checks the structure of the sources: `python3 scripts/structure.py [CRATE...]`, by default of all crates.

Prints for each crate the import circles among its files, imports that go upward between the floors listed below, files
of more than 400 lines, and functions of more than 100. Exits with 1 if there is a circle, an upward import, or a long
file or function without a reason.

What counts as an import: every `use` of a path inside the crate, and every such path in the code. A path that leads
through a re-export counts as an import of the file that defines the name. `mod` declarations and tests do not count.
`--graph CRATE` prints what each file of a crate imports.
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The rooms of `runtime`, from the ground up: a room imports from itself and from the rooms before it.
ROOMS = ["platform", "interpreter", "environment", "worker", "session"]

# The floors of the session core, from the ground up. A file imports from its own floor and from the floors below it.
# A name stands for the file `NAME.rs` or for the folder `NAME/`.
SESSION_FLOORS = [
    ["call", "limits", "effective_limits", "error", "output", "crash_report", "event", "held_time", "metrics", "zygote_pool", "spin", "environment_service"],
    ["event_channel"],
    ["state"],
    ["shared"],
    ["interrupt", "unfinished_lines"],
    ["session", "supervisor"],
    ["event_stream", "session_events", "inspect"],
    ["manager"],
    ["service"],
]
# These stand on the same floor, and know nothing of each other.
STRANGERS = [("session", "supervisor")]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 100
# Files and functions that are longer, and why.
LONG_FILES = {}
LONG_FUNCTIONS = {
    "crates/client/src/rpc/reply.rs session": "an arm for each kind of answer, which names its fields",
    "crates/server/src/rpc/request.rs json_body": "an arm of two or three lines for each operation",
}


def blank(text):
    """The text with everything but line ends replaced by blanks, so that positions and line numbers stay."""
    return re.sub(r"[^\n]", " ", text)


LITERALS = re.compile(
    r"""//[^\n]*                                        # comments, also of documentation
      | /\*.*?\*/
      | b?r(?P<hashes>\#+)".*?"(?P=hashes)              # raw strings
      | b?r"[^"]*"
      | [bc]?"(?:[^"\\]|\\.)*"
      | b?'(?:[^'\\\n]|\\(?:u\{[^}]*\}|x..|.))'         # characters, which lifetimes are not
    """,
    re.X | re.S,
)


def closing(text, start):
    """The position behind the brace that closes the one at `start`."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(text, start):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.end()
    return len(text)


TEST_ITEM = re.compile(r"#\[cfg\((?:test|(?:all|any)\(test\b[^\]]*)\)\]\s*(?:#\[[^\]]*\]\s*)*")


def without_tests(code):
    """Code without comments, literals and what is compiled for tests only."""
    code = LITERALS.sub(lambda match: blank(match[0]), code)
    at = 0
    while match := TEST_ITEM.search(code, at):
        brace, semicolon = code.find("{", match.end()), code.find(";", match.end())
        ends = closing(code, brace) if brace >= 0 and (semicolon < 0 or brace < semicolon) else semicolon + 1
        code = code[: match.start()] + blank(code[match.start() : ends]) + code[ends:]
        at = match.end()
    return code


def expand(tree):
    """The paths of a use tree, each as (segments, name it gets here or None for a glob)."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        path, _, alias = re.sub(r"\s+", " ", tree).partition(" as ")
        segments = [segment.strip() for segment in path.split("::") if segment.strip()]
        if not segments:
            return
        name = alias.strip() or segments[-1]
        if segments[-1] == "self":
            segments.pop()
            name = alias.strip() or (segments[-1] if segments else "self")
        yield segments, None if name == "*" else name
        return
    prefix = [segment.strip() for segment in tree[:brace].split("::") if segment.strip()]
    depth, part = 0, ""
    for char in tree[brace + 1 : closing(tree, brace) - 1] + ",":
        if char == "," and depth == 0:
            for segments, name in expand(part):
                yield prefix + segments, name if segments else prefix[-1]
            part = ""
            continue
        depth += {"{": 1, "}": -1}.get(char, 0)
        part += char


USE = re.compile(r"\b(?P<public>pub(?:\([^)]*\))?\s+)?use\s+(?P<tree>[^;]+);")
MODULE = re.compile(r"\bmod\s+(\w+)\s*;")
ITEM = re.compile(r"\b(?:fn|struct|enum|trait|type|const|static|union|macro_rules!)\s+(\w+)")
PATH = re.compile(r"(?<![\w:.])(?:\$)?(\w+(?:\s*::\s*\w+)+)")


class Module:
    """A file of a crate, with its place in the tree of modules."""

    def __init__(self, file, path, parent):
        self.file, self.path, self.parent = file, path, parent
        self.children, self.names, self.globs = {}, {}, []
        self.code = without_tests(file.read_text())
        folder = file.parent if file.name in ("mod.rs", "lib.rs", "main.rs") else file.with_suffix("")
        for name in MODULE.findall(self.code):
            found = [path for path in (folder / f"{name}.rs", folder / name / "mod.rs") if path.exists()]
            if found:
                self.children[name] = Module(found[0], [*path, name], self)
        self.items = set(ITEM.findall(self.code))
        self.uses = [use for match in USE.finditer(self.code) for use in expand(match["tree"])]
        self.body = USE.sub(lambda match: blank(match[0]), self.code)
        for segments, name in self.uses:
            if name is None:
                self.globs.append(segments[:-1])
            elif name != "_":
                self.names[name] = segments

    def root(self):
        return self.parent.root() if self.parent else self

    def walk(self):
        yield self
        for child in self.children.values():
            yield from child.walk()

    def start(self, segments):
        """The module that the first segments lead to, and the other segments; None for a path out of the crate."""
        first = segments[0]
        if first in ("crate", "self"):
            return (self.root() if first == "crate" else self), segments[1:]
        module, rest = self, segments
        while rest and rest[0] == "super" and module.parent:
            module, rest = module.parent, rest[1:]
        if module is not self:
            return module, rest
        return (self, segments) if first in self.children or first in self.names else (None, segments)

    def resolve(self, segments, seen=()):
        """The module whose file defines what the path names, and whether the path names that module itself."""
        module, rest = self.start(segments)
        if module is None:
            return None
        while rest and rest[0] in module.children:
            module, rest = module.children[rest[0]], rest[1:]
        if not rest:
            return module, True
        name = rest[0]
        if name in module.items or (module, name) in seen:
            return module, False
        seen = (*seen, (module, name))
        if name in module.names:
            target = module.names[name]
            return module.resolve([*target, *rest[1:]], seen)
        for target in module.globs:
            found = module.resolve([*target, *rest], seen)
            if found and found[0] is not module and (found[1] or rest[0] in found[0].items):
                return found
        return module, False

    def imports(self):
        """The modules whose files this one imports from, with the names."""
        found = {}
        paths = [segments if name else [*segments[:-1], "*"] for segments, name in self.uses]
        paths += [[part.strip() for part in match[1].split("::")] for match in PATH.finditer(self.body)]
        for segments in paths:
            bare = segments[:-1] if segments[-1] == "*" else segments
            resolved = self.resolve(bare) if bare else None
            if resolved is None:
                continue
            module, itself = resolved
            # To name a folder is no import yet: what is taken from it says from which file.
            if module is self or (itself and module.children and segments[-1] != "*"):
                continue
            found.setdefault(module, set()).add("::".join(segments))
        return found


def crates():
    """The crates, each with the modules of its library or program."""
    for folder in sorted((ROOT / "crates").iterdir()):
        roots = [path for name in ("lib.rs", "main.rs") if (path := folder / "src" / name).exists()]
        if roots:
            yield folder.name, [module for root in roots for module in Module(root, [], None).walk()]


def circles(graph):
    """The strongly connected components of more than one file (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph[node]:
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(component)

    for node in graph:
        if node not in index:
            visit(node)
    return found


def shown(path):
    return path.relative_to(ROOT).as_posix()


def check_circles(crate, graph):
    problems = []
    for circle in circles(graph):
        lines = [f"{crate}: a circle of {len(circle)} files"]
        for module in sorted(circle, key=lambda module: module.file):
            for target, names in graph[module].items():
                if target in circle:
                    lines.append(f"  {shown(module.file)} → {shown(target.file)}: {', '.join(sorted(names))}")
        problems.append("\n".join(lines))
    return problems


def check_floors(graph):
    """Imports of `runtime` that go upward: from room to room, and from floor to floor of the session core."""
    problems = []
    floors = {name: floor for floor, names in enumerate(SESSION_FLOORS) for name in names}
    for module, imports in graph.items():
        if not module.path or module.path[0] not in ROOMS:
            continue
        room = ROOMS.index(module.path[0])
        in_session = module.path[0] == "session" and len(module.path) > 1
        if in_session and module.path[1] not in floors:
            problems.append(f"{shown(module.file)}: SESSION_FLOORS in scripts/structure.py does not say on which floor")
            continue
        for target, names in imports.items():
            arrow = f"{shown(module.file)} → {shown(target.file)}: {', '.join(sorted(names))}"
            if target.path and target.path[0] in ROOMS and ROOMS.index(target.path[0]) > room:
                problems.append(f"upward: {arrow}")
            if in_session and target.path[:1] == ["session"]:
                one, two = module.path[1], (target.path[1:] or ["(mod.rs)"])[0]
                if two not in floors:
                    problems.append(f"through mod.rs: {arrow}")
                elif floors[two] > floors[one] or any({one, two} == set(pair) for pair in STRANGERS):
                    problems.append(f"upward: {arrow}")
    return problems


def check_lengths(crate):
    """Files and functions that are too long; comments and tests do not count."""
    problems = []

    def judge(what, length, most, reasons):
        if length > most and what not in reasons:
            problems.append(f"{what}: {length} lines, more than {most}, and no reason in scripts/structure.py")
        elif what in reasons and length <= most:
            problems.append(f"{what}: {length} lines; its reason in scripts/structure.py is not needed any more")

    for file in sorted((ROOT / "crates" / crate / "src").glob("**/*.rs")):
        code = without_tests(file.read_text())
        judge(shown(file), len(code.rstrip().splitlines()), MAX_FILE_LINES, LONG_FILES)
        for match in re.finditer(r"\bfn\s+(\w+)[^;{]*\{", code):
            length = code.count("\n", match.start(), closing(code, match.end() - 1)) + 1
            judge(f"{shown(file)} {match[1]}", length, MAX_FUNCTION_LINES, LONG_FUNCTIONS)
    for file in sorted((ROOT / "crates" / crate / "python/beep_python").glob("**/*.py")):
        text = file.read_text()
        judge(shown(file), len(text.splitlines()), MAX_FILE_LINES, LONG_FILES)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = node.end_lineno - node.lineno + 1
                judge(f"{shown(file)} {node.name}", length, MAX_FUNCTION_LINES, LONG_FUNCTIONS)
    return problems


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--graph"]:
        for module in dict(crates())[arguments[1]]:
            print(shown(module.file))
            print("".join(f"  {target}\n" for target in sorted(shown(target.file) for target in module.imports())), end="")
        return
    problems = []
    for crate, modules in crates():
        if arguments and crate not in arguments:
            continue
        graph = {module: module.imports() for module in modules}
        found = check_circles(crate, graph)
        if crate == "runtime":
            found += check_floors(graph)
        found += check_lengths(crate)
        print(f"{crate}: {len(modules)} files, {len(found) or 'no'} problems")
        problems += found
    for what, reason in sorted({**LONG_FILES, **LONG_FUNCTIONS}.items()):
        print(f"long, with a reason: {what}: {reason}")
    if problems:
        print("\n" + "\n".join(problems))
        sys.exit(1)


if __name__ == "__main__":
    main()
