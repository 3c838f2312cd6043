"""What IPython's magics do that people type every day. The others say what to write instead."""

import os
import re
import resource
import shlex
import subprocess
import sys
import time
import timeit as timing

from . import _current, _magic_pip, _object_help
from ._builtins import own as __builtins__
from ._magic_pip import UsageError

INSTEAD = {
    "alias": "def a function, or write !command",
    "autoreload": "import importlib; importlib.reload(module)",
    "bash": "!command, for each line",
    "capture": "import contextlib, io; with contextlib.redirect_stdout(io.StringIO()) as captured: …",
    "cd": "import os; os.chdir('FOLDER')",
    "conda": "%pip install PACKAGE",
    "debug": "import pdb; pdb.pm()",
    "edit": "an editor of your own, then exec(open('FILE').read())",
    "env": "import os; os.environ",
    "history": "Up and Ctrl-R, which find earlier lines",
    "html": "from IPython.display import HTML; display(HTML('…'))",
    "load": "print(open('FILE').read())",
    "load_ext": "import of the extension's module; %autoreload is importlib.reload(module)",
    "ls": "!ls",
    "lsmagic": "%time, %timeit, %pip, %matplotlib, !command, object? and object??",
    "paste": "the text itself: what is pasted runs as one",
    "pdb": "import pdb; pdb.pm(), behind an exception",
    "prun": "import cProfile; cProfile.run('CODE')",
    "pwd": "import os; os.getcwd()",
    "pylab": "%matplotlib, and import numpy as np, matplotlib.pyplot as plt",
    "reset": "`beep-python session restart SESSION`, on the command line",
    "run": "exec(open('FILE').read()), or `beep-python run FILE` on the command line",
    "set_env": "import os; os.environ['NAME'] = 'VALUE'",
    "sh": "!command, for each line",
    "system": "!command",
    "who": "dir()",
    "whos": "{name: type(value) for name, value in globals().items()}",
    "writefile": "open('FILE', 'w').write('''TEXT''')",
    "xmode": "sys.excepthook = a function of your own",
}
OWN_BACKENDS = ("", "inline", "notebook", "widget", "ipympl", "nbagg")
_VARIABLE = re.compile(r"\$(\$?)([^\W\d]\w*)|\{\{|\}\}|\{([^{}]+)\}")
_OPTION = re.compile(r"-(?:([nr])\s*(\d+)|([qo]))(?:\s+|$)")
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def line(name, text):
    if name not in LINES:
        raise UsageError("%%%s is not known here. %s" % (name, advice(name)))
    return LINES[name](text)


def cell(name, text, body):
    if name not in CELLS:
        raise UsageError("%%%%%s is not known here. %s" % (name, advice(name)))
    return CELLS[name](text, body)


def advice(name):
    if name in LINES or name in CELLS:
        return "Write %s%s" % ("%" if name in LINES else "%%", name)
    instead = INSTEAD.get(name)
    return "Write instead: %s" % instead if instead else "What is known: %s" % INSTEAD["lsmagic"]


def namespace():
    return sys.modules["__main__"].__dict__


# commands of the shell


def shell(text):
    """Runs a command; its output goes where that of the code does."""
    sys.stdout.flush()
    sys.stderr.flush()
    namespace()["_exit_code"] = subprocess.call(expanded(text), shell=True, stdin=subprocess.DEVNULL, env=surroundings())


def shell_lines(text):
    """The lines that a command writes."""
    ran = subprocess.run(expanded(text), shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=surroundings())
    namespace()["_exit_code"] = ran.returncode
    return ran.stdout.decode(errors="replace").splitlines()


def surroundings():
    """The variables of an activated environment: `python` is the session's."""
    out = dict(os.environ)
    scripts = os.path.dirname(sys.executable)
    if out.get("PATH", "").split(os.pathsep)[0] != scripts:
        out["PATH"] = os.pathsep.join(filter(None, (scripts, out.get("PATH"))))
    if sys.prefix != sys.base_prefix:
        out["VIRTUAL_ENV"] = sys.prefix
    return out


def expanded(text):
    """The command with the values of `$name` and `{expression}`; as it is where one of them has none."""
    names = namespace()

    def value(found):
        dollar, name, expression = found.groups()
        if found.group() in ("{{", "}}"):
            return found.group()[0]
        if name is not None:
            if dollar:
                return "$" + name
            return str(names[name]) if name in names else found.group()
        return str(eval(expression, names))

    try:
        return _VARIABLE.sub(value, text)
    except Exception:  # braces of the shell
        return text


# time


def timeit(text, body=None):
    """%timeit [-n LOOPS] [-r RUNS] [-q] [-o] STATEMENT: how long a statement takes.

    In a cell, the line is set-up, and the body is timed. -q shows nothing, -o returns the times."""
    options, text = options_of(text)
    statement, setup = (text, "pass") if body is None else (body, text or "pass")
    if not statement.strip():
        raise UsageError("%timeit needs a statement")
    timer, runs = timing.Timer(statement, setup, globals=namespace()), int(options.get("r", 7))
    loops = int(options.get("n", 0)) or loops_of(timer)
    times = [taken / loops for taken in timer.repeat(max(runs, 1), loops)]
    result = Times(times, loops)
    if "q" not in options:
        print(result)
    return result if "o" in options else None


def options_of(text):
    options, at = {}, 0
    while text.startswith("-", at):
        found = _OPTION.match(text, at)
        if not found:
            raise UsageError("%timeit takes -n LOOPS, -r RUNS, -q and -o, and not " + text[at:].split()[0])
        name, number, flag = found.groups()
        options[name or flag] = number
        at = found.end()
    return options, text[at:]


def loops_of(timer):
    for power in range(10):
        if timer.timeit(10**power) >= 0.2:
            break
    return 10**power


class Times:
    """What %timeit measured, in seconds for each loop."""

    def __init__(self, times, loops):
        self.timings, self.loops, self.repeat = times, loops, len(times)
        self.best, self.worst, self.average = min(times), max(times), sum(times) / len(times)
        self.stdev = (sum([(taken - self.average) ** 2 for taken in times]) / len(times)) ** 0.5

    def __str__(self):
        return "%s ± %s per loop (mean ± std. dev. of %d run%s, %s loop%s each)" % (
            *map(in_units, (self.average, self.stdev)),
            *(self.repeat, "" if self.repeat == 1 else "s"),
            *("{:,}".format(self.loops), "" if self.loops == 1 else "s"),
        )

    __repr__ = lambda self: "<TimeitResult : %s>" % self  # noqa: E731


def in_units(seconds):
    if seconds >= 60:
        return "%dmin %ds" % divmod(seconds, 60)
    size, unit = next((unit for unit in UNITS if seconds >= unit[0]), UNITS[-1])
    return "%.3g %s" % (seconds / size, unit)


def time_of(text, body=None):
    """%time STATEMENT: how long a statement takes once; its value is that of the line."""
    session = _current.session
    program = _current.compiler.program(text if body is None else body)
    cpu, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    value = session.run(program, session.namespace)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - cpu.ru_utime, after.ru_stime - cpu.ru_stime
    print("CPU times: user %s, sys: %s, total: %s" % tuple(map(in_units, (user, system, user + system))))
    print("Wall time: %s" % in_units(wall))
    return value


# packages, figures and help


def pip(text):
    _magic_pip.run(shlex.split(expanded(text)), shell)


pip.__doc__ = _magic_pip.run.__doc__


def matplotlib(text):
    """%matplotlib [inline|agg]: figures are shown by the client, as with `inline`; there are no windows."""
    backend = text.strip().lower()
    if backend in ("-l", "--list"):
        print("Available matplotlib backends: ['inline', 'agg']")
        return
    if backend not in OWN_BACKENDS + ("agg",):
        raise UsageError("%%matplotlib %s needs a screen, and a session has none. Write instead: %%matplotlib inline, or plt.savefig('FILE')" % backend)
    import matplotlib
    from ._matplotlib import BACKEND

    matplotlib.use("agg" if backend == "agg" else BACKEND)


def help_on(text, marks):
    """What an object is: `object?`. With its source: `object??`."""
    name = text.lstrip("%")
    if not text:
        print("What is known beside Python: %s" % INSTEAD["lsmagic"])
    elif text.startswith("%"):
        function = LINES.get(name) or CELLS.get(name)
        print("Docstring:\n%s" % function.__doc__ if function else advice(name))
    else:
        print(_object_help.about(text, namespace(), marks > 1))


LINES = {"matplotlib": matplotlib, "pip": pip, "time": time_of, "timeit": timeit}
CELLS = {"time": time_of, "timeit": timeit}
