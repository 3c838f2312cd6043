"""What `object?` shows, in IPython's words."""

import fnmatch
import inspect
import os

from ._builtins import own as __builtins__

MAX_TEXT = 200


def about(text, names, has_source):
    """All that is known of the object of an expression."""
    if "*" in text:
        return "\n".join(matching(text, names))
    try:
        obj = eval(text, names)
    except Exception:
        return "Object `%s` not found." % text
    fields = [field for field in fields_of(text, obj, has_source) if field[1]]
    width = max([len(title) for title, _ in fields]) + 2
    return "\n".join([written(title, content, width) for title, content in fields])


def written(title, content, width):
    return "%s:\n%s" % (title, content) if "\n" in content else (title + ":").ljust(width) + content


def matching(pattern, names):
    """The names that a pattern stands for: `math.*sin*?`."""
    place, dot, last = pattern.rpartition(".")
    try:
        found = dir(eval(place, names)) if dot else list(names)
    except Exception:
        return []
    return [place + dot + name for name in sorted(found) if fnmatch.fnmatchcase(name, last) and (last.startswith("_") or not name.startswith("_"))]


def fields_of(text, obj, has_source):
    kind, is_code = type(obj), inspect.isclass(obj) or inspect.isroutine(obj)
    source = tried(inspect.getsource, obj) if has_source else ""
    yield "Init signature" if inspect.isclass(obj) else "Signature", signature(text, obj) if callable(obj) else ""
    if not is_code:
        yield "Type", kind.__name__
        shown = tried(str, obj)
        yield "String form", shown if len(shown) <= MAX_TEXT else shown[:MAX_TEXT] + "…"
        yield "Length", tried(len, obj) if hasattr(kind, "__len__") else ""
    if source:
        yield "Source", source.rstrip("\n")
    file = place(obj if is_code or inspect.ismodule(obj) else kind)
    if is_code:
        yield "Docstring", documentation(obj) if not source else ""
        if inspect.isclass(obj) and obj.__init__ is not object.__init__:
            yield "Init docstring", own_documentation(obj)
        yield "File", file
        yield "Type", kind.__name__
        if inspect.isclass(obj):
            yield "Subclasses", ", ".join([each.__name__ for each in type.__subclasses__(obj)[:10]])
    else:
        yield "File", file
        yield "Docstring", documentation(obj) if not source else ""


def signature(text, obj):
    name = text.rpartition(".")[2]
    return tried(lambda: name + str(inspect.signature(obj)))


def documentation(obj):
    return tried(inspect.getdoc, obj) or "<no docstring>"


def own_documentation(kind):
    found = tried(inspect.getdoc, kind.__init__)
    return "" if found == inspect.getdoc(object.__init__) else found


def place(obj):
    file = tried(inspect.getfile, obj)
    home = os.path.expanduser("~")
    return "~" + file[len(home) :] if file.startswith(home + os.sep) else file


def tried(function, *arguments):
    """The text of what a function returns; none where it raises."""
    try:
        value = function(*arguments)
    except Exception:
        return ""
    return "" if value is None else str(value)
