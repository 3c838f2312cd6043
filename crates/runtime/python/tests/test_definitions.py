"""Functions and classes of a session in processes that multiprocessing starts anew."""

import json

from beep_python import _wire

from .host import EVALUATE, WorkerTest

DEFINE = """from __future__ import annotations
import collections, dataclasses, enum, math, typing
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
from beep_python import _spawn_hook
_spawn_hook.install()  # as a zygote does
"""
SESSION = (
    "factor = 3\ntable = {'a': [1, (2, None)]}",
    "def scaled(x):\n    return math.floor(x * factor)",
    "def twice(x, times=factor):\n    return scaled(x) + times",
    "class Point:\n    def __init__(self, x): self.x = x\n    def moved(self): return Point(self.x + factor)",
    "origin = Point(0)",
    "@dataclasses.dataclass\nclass Pair:\n    a: int\n    b: 'typing.Any' = None",
    "class Color(enum.Enum):\n    RED = 1\n    BLUE = 2",
    "class Named(typing.NamedTuple):\n    name: str",
    "Row = collections.namedtuple('Row', 'a b')",
    "T = typing.TypeVar('T')\nclass Box(typing.Generic[T]): pass",
    "class Base:\n    def who(self): return 'base'\nclass Derived(Base):\n    __slots__ = ('n',)\n    def who(self): return super().who() + '+'",
    "try:\n    import nosuch\nexcept ImportError:\n    def fallback(x): return 'fell back'",
    "import functools\n@functools.lru_cache\ndef cached(x): return x + 1",
    "square = lambda x: x * x\ndef squared(x): return square(x)",
    "def old(x): return 'old'",
    "def old(x): return 'new'",
    "def look(x): return [table['a'], origin.x, T.__name__, Box.__name__]",
    "started = []\nstarted.append(1)\nprint('not there')\nNone",
    "def who(x): return [__name__, started]",
)
TASKS = (
    ("scaled, [1, 2]", [3, 6]),
    ("twice, [1]", [6]),
    ("Point.moved, [Point(1)]", None),
    ("dataclasses.asdict, [Pair(1)]", [{"a": 1, "b": None}]),
    ("Color, [1]", None),
    ("str, [Color.BLUE]", ["Color.BLUE"]),
    ("Named, ['n']", [["n"]]),
    ("len, [Row(1, 2)]", [2]),
    ("Derived.who, [Derived()]", ["base+"]),
    ("fallback, [1]", ["fell back"]),
    ("cached, [1]", [2]),
    ("squared, [3]", [9]),
    ("old, [1]", ["new"]),
    ("look, [1]", [[[1, [2, None]], 0, "T", "Box"]]),
    ("who, [1]", [["__main__", [1]]]),
)
METHODS = "spawn", "forkserver"


class Definitions(WorkerTest):
    def setUp(self):
        super().setUp()
        self.host.evaluate(DEFINE + "None")

    def test_what_a_session_defines_is_found(self):
        for code in SESSION:
            self.host.evaluate(code)
        for method in METHODS:
            self.host.evaluate("pool = multiprocessing.get_context(%r).Pool(1)\nNone" % method)
            for task, expected in TASKS:
                with self.subTest(method=method, task=task):
                    if expected is None:  # what comes back is the session's own
                        function, items = task.split(", ", 1)
                        code = "[type(one).__module__ + '.' + type(one).__name__ for one in pool.map(%s)]" % task
                        self.assertEqual(self.host.evaluate(code), ["__main__." + function.partition(".")[0]])
                        self.assertTrue(self.host.evaluate("type(pool.map(%s)[0]) is %s" % (task, function.partition(".")[0])))
                    else:
                        self.assertEqual(self.host.evaluate("pool.map(%s)" % task), expected)
            self.host.evaluate("pool.terminate(); pool.join()")
        self.assertEqual(self.host.output(self.host.stdout), "not there\n", "no code ran but definitions")

    def test_what_was_defined_long_ago_is_found(self):
        self.host.evaluate("def first(a: nothing, b=1): return [a, first.__annotations__, '\\d']")  # the annotation is a text: that was imported before
        for n in range(600):
            self.host.evaluate("%d" % n)
        code = "import warnings\nwith warnings.catch_warnings(record=True) as told:\n    warnings.simplefilter('always')\n"
        code += "    with multiprocessing.get_context('spawn').Pool(1) as pool: made = pool.map(first, [1])\n[made, len(told)]"
        self.assertEqual(self.host.evaluate(code), [[[1, {"a": "nothing"}, "\\d"]], 0])

    def test_a_session_of_which_all_can_be_sent(self):
        self.host.evaluate("del _spawn_hook, ProcessPoolExecutor, annotations")
        self.host.evaluate("def f(x): return x + 1")
        self.assertEqual(self.host.evaluate("with multiprocessing.get_context('spawn').Pool(1) as pool: made = pool.map_async(f, [1]).get(20)\nmade"), [2])

    def test_the_last_definition_counts_however_long_ago(self):
        first = "class Kept:\n    def who(self): return 1\ndef f(x): return 'first'\nNone"
        self.host.evaluate(first)
        self.host.evaluate("class Kept:\n    def who(self): return 2\ndef f(x): return 'second'\nNone")
        self.host.evaluate("import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(*a): return f(*a)\n    return inner\n@deco\n@deco\ndef wrapped(x): return 'wrapped'")
        code = "with multiprocessing.get_context('spawn').Pool(1) as pool: made = [*pool.map(f, [1]), *pool.map(Kept.who, [Kept()]), *pool.map(wrapped, [1])]\nmade"
        self.assertEqual(self.host.evaluate(code), ["second", 2, "wrapped"])
        self.host.evaluate(first)
        self.assertEqual(self.host.evaluate(code), ["first", 1, "wrapped"])
        for number in range(600):
            self.host.evaluate("a%d = 1" % number)
        self.assertEqual(self.host.evaluate(code), ["first", 1, "wrapped"])

    def test_processes_and_executors(self):
        self.host.evaluate("def put(queue, x): queue.put(x + 1)")
        for method in METHODS:
            with self.subTest(method):
                self.host.evaluate("context = multiprocessing.get_context(%r)" % method)
                code = "queue = context.Queue()\np = context.Process(target=put, args=(queue, 1))\np.start()\ngot = queue.get()\np.join()\n[got, p.exitcode]"
                self.assertEqual(self.host.evaluate(code), [2, 0])
                code = "def inc(x): return x + 1\nwith ProcessPoolExecutor(1, mp_context=context) as pool: made = list(pool.map(inc, [1, 2]))\nmade"
                self.assertEqual(self.host.evaluate(code), [2, 3])

    def test_what_is_not_there_fails_at_once_with_the_reason(self):
        for method in METHODS:
            self.host.evaluate("for name in ('late', 'Late', 'use', 'hidden'): globals().pop(name, None)")
            self.host.evaluate(
                "lock, large = __import__('threading').Lock(), b'x' * 2_000_000\ndef locked(x): return lock.locked()\ndef measured(x): return len(large)\n"
                "pool = multiprocessing.get_context(%r).Pool(1)\npool.map(int, [1])\nexec('def hidden(x): return x')" % method
            )
            self.host.evaluate("def late(x): return x\nclass Late:\n    def use(self): return 1\ndef use(late): return late.x")
            for task, reason in (
                ("late, [1]", "'late' of the session is not in this process.*had started"),
                ("use, [Late()]", "'use' of the session is not in this process"),
                ("repr, [late]", None),
                ("locked, [1]", "'lock' of the session.*cannot pickle"),
                ("measured, [1]", "'large' of the session.*larger than"),
                ("hidden, [1]", "'hidden' of the session"),
                ("Late.use, [Late()]", "'Late.use' of the session"),
            ):
                with self.subTest(method=method, task=task):
                    if reason is None:
                        self.host.evaluate("pool.map(%s)\nNone" % task)
                    else:
                        raised = self.host.fails("pool.map_async(%s).get(20)" % task)
                        self.assertEqual(raised["type"], "RuntimeError")
                        self.assertRegex(raised["message"], reason)
            self.host.evaluate("pool.terminate(); pool.join()")

    def test_what_is_the_client_s_says_why_it_cannot_travel(self):
        pools = (
            "with multiprocessing.get_context('fork').Pool(1) as pool: pool.map_async(%s, [1]).get(20)",
            "with multiprocessing.get_context('spawn').Pool(1) as pool: pool.map_async(%s, [1]).get(20)",
            "with ProcessPoolExecutor(1) as pool: pool.submit(%s, 1).result(20)",
            "multiprocessing.get_context('spawn').Process(target=%s).start()",
        )
        for pool in pools:
            for what, reason in (("cb", "the callback 'cb' is a function of the client"), ("display", "what shows something to the client")):
                with self.subTest(pool=pool, what=what):
                    body = {"expression": pool % what, "locals": {"cb": {"$callback": "cb"}}}
                    kind, answer = self.host.call(EVALUATE, body, _wire.EVENTS | _wire.CALLBACKS)
                    self.assertEqual(kind, _wire.EXCEPTION)
                    raised = json.loads(answer)["exception"]
                    self.assertRegex(raised["type"] + ": " + raised["message"], "Error: .*" + reason)

    def test_with_locals_and_after_an_await(self):
        code = "def inc(x): return x + given\nwith multiprocessing.get_context('spawn').Pool(1) as pool: made = pool.map(inc, [1])\nmade"
        self.assertEqual(self.host.evaluate(code, locals={"given": 5}), [6])
        self.host.evaluate("import asyncio\nawait asyncio.sleep(0)\ndef after(x): return x")
        self.assertEqual(self.host.evaluate("with multiprocessing.get_context('spawn').Pool(1) as pool: made = pool.map(after, [1])\nmade"), [1])

    def test_names_have_their_present_values(self):
        method = "\nclass A:\n    @deco\n    def m(s): return 1\n"
        for code, expected in (
            ("def deco(f): return lambda s: f(s)" + method + "def k(): return A().m()", 1),
            ("def deco(f):\n    @functools.wraps(f)\n    def inner(s): return f(s)\n    return inner" + method + "def k(): return A().m()", 1),
            ("def deco(c):\n    c.m = lambda s: 1\n    return c\n@deco\nclass A: pass\ndef k(): return A().m()", 1),
            ("def helper(s): return 1\nclass A: m = helper\ndef k(): return A().m()", 1),
            ("class B:\n    def m(s): return 1\nclass A: m = B.m\ndef k(): return A().m()", 1),
            ("class B:\n    def __init_subclass__(c): c.m = lambda s: 1\nclass A(B): pass\ndef k(): return A().m()", 1),
            ("class B(type):\n    def __init__(c, *a): c.m = lambda s: 1\nclass A(metaclass=B): pass\ndef k(): return A().m()", 1),
            ("class A:\n    def m(s): return 0\ndef new(s): return 1\nA.m = new\ndef k(): return A().m()", 1),
            ("class A:\n    def m(s): return 0\nA.m = lambda s: 1\ndef k(): return A().m()", "'A.m' of the session"),
            ("class A:\n    def m(s): return 0\nA.m = functools.wraps(A.m)(lambda s: 1)\ndef k(): return A().m()", "'A.m' of the session.*when the class had been"),
            ("class A:\n    m = property(lambda s: 0)\nA.m = property(lambda s: 1)\ndef k(): return A().m + 1", "'A.m' of the session"),
            ("class A:\n    n = None\nA.n = A()\nA.n.x = 1\ndef k(): return A.n.x", 1),
            ("class A:\n    n = None\nA.n = threading.Lock()\ndef k(): return A.n.locked()", "'A.n' of the session"),
            ("found = {}\ndef on(name):\n    def keep(f): return found.setdefault(name, f)\n    return keep\n@on('a')\ndef h(): return 1\ndef k(): return found['a']()", 1),
            ("exec('class G: pass')\nclass A(G): pass\ndef k(): return A()", "'A' of the session.*'G' of the session.*cannot be run again"),
            ("class A:\n    n = 0\nA.n = 1\ndef k(): return A.n", 1),
            ("class W:\n    def __init__(s, f): s.n = f(0)\n    def __call__(s, x): return s.n + x\ndef h(x): return x + 1\nh = W(h)\ndef k(): return h(0)", 1),
            ("class W:\n    def __init__(s, f): s.f = f\n    def __call__(s, x): return 1\ndef h(x): return 0\nh = W(h)\ndef k(): return h(0)", "'h' of the session.*not the same"),
            ("def deco(f): return f\n@deco\ndef h(x): return x\nh = [1]\ndef k(): return h[0]", 1),
            ("class Cfg: pass\nCfg = Cfg()\ndef k(): return Cfg.a", "'Cfg' of the session.*not the same"),
            ("from math import *\nlog = logging.getLogger('x')\ndef k(): return [log.name, floor(1.5)]", ["x", 1]),
            ("from os import path\npath = 'mine'\ndef k(): return path", "mine"),
            ("import uuid\nuuid = uuid.UUID(int=1)\ndef k(): return uuid.int", 1),
            ("from os import path, sep\npath = threading.Lock()\ndef k(): return path.join", "'path' of the session.*cannot pickle"),
            ("x = 1\ndef f(_, y=x, *, z=x): return [y, z]\nx = 2\ndef k(): return f(0)", [1, 1]),
            ("exec('class G: pass')\ndef f(_, y=G()): return y\ndef k(): return f(0).a", "'G' of the session.*cannot be run again"),
            ("if True:\n    x = 1\nx = 2\ndef k(): return x", 2),
            ("if True:\n    def h(): return 1\ntry:\n    import json\n    h2 = h\nexcept ImportError: json = None\ndef k(): return json.loads(str(h2()))", 1),
            ("import xml.dom\nimport xml.sax.handler\ndef k(): return [xml.dom.__name__, xml.sax.handler.__name__]", ["xml.dom", "xml.sax.handler"]),
            ("@functools.singledispatch\ndef f(x): return 0\n@f.register(int)\ndef _(x): return 1\n@f.register(str)\ndef _(x): return 2\ndef k(): return [f(0), f(''), f([])]", [1, 2, 0]),
            ("import array\na = array.array('b', bytes(2_000_000))\ndef k(): return a[0]", "'a' of the session.*larger than"),
            ("import abc, ctypes, typing\nclass S(ctypes.Structure): _fields_ = [('a', ctypes.c_int)]\nclass P(typing.Protocol):\n    def m(s): ...\nclass C(abc.ABC):\n    @abc.abstractmethod\n    def m(s): ...\nclass D(C, P):\n    def m(s): return S(1).a\ndef k(): return D().m()", 1),
            ("x = 1\nf = lambda y=x: y\ndef g(y=x): return y\ng.lock = threading.Lock()\nclass A:\n    def m(s, y=x): return y\nx = 2\ndef k(): return [f(), g(), A().m()]", [1, 1, 1]),
            ("import typing\nN = typing.NewType('N', int) if isinstance(typing.NewType, type) else int\nP = typing.TypeVar('P')\ndef k(): return [N(1), P.__name__]", [1, "P"]),
            ("none = object()\ndef f(x=none): return x is none\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n    b: list = dataclasses.field(default_factory=list)\ndef k(): return [f(), A().b]", [True, []]),
            ("def f(): return f.n\nf.n = 1\ndef k(): return f()", 1),
            ("for i in range(3):\n    def g(x): return x\ndef k(): return g(1)", "cannot be run again on its own; define it at the top level"),
            ("exec('class G: pass')\ndef k(): return G()", "cannot be run again on its own; define it at the top level"),
        ):
            with self.subTest(code):
                self.host.evaluate("import functools, logging, threading\nNone")
                self.host.evaluate(code + "\nNone")
                ask = "with multiprocessing.get_context('spawn').Pool(1) as pool: made = pool.apply_async(k).get(20)\nmade"
                if isinstance(expected, str) and "of the session" in expected or "cannot be" in str(expected):
                    self.assertRegex(self.host.fails(ask)["message"], expected)
                else:
                    self.assertEqual(self.host.evaluate(ask), expected)
                self.host.evaluate("for name in [n for n in globals() if n not in ('multiprocessing',) and not n.startswith('__')]: globals().pop(name)")

    def test_plain_values_of_the_standard_library_are_sent_and_others_fail_in_every_use(self):
        self.host.evaluate("import ipaddress, pathlib, random, threading, types, uuid, zoneinfo\nNone")
        self.host.evaluate(
            "OUT, U, N, IP, R = pathlib.PurePosixPath('/x'), uuid.UUID(int=1), types.SimpleNamespace(a=1), ipaddress.ip_address('1.2.3.4'), random.Random(1)\n"
            "def k(): return [f'{OUT}/a', U.int, N.a, str(IP), R.random() < 1]\nlock = threading.Lock()\n"
            "uses = ['str(lock)', 'f\"{lock}\"', 'lock == 1', '1 == lock', '1 in lock', 'bool(lock)', '[*lock]', 'lock + 1', '1 + lock', 'lock.a', 'lock[0]', 'lock()',"
            " 'with lock: pass', 'isinstance(1, lock)', 'lock.a = 1', 'class A(lock): pass', 'lock < 1', '-lock', 'len(lock)', 'open(lock)', 'x = lock; x += 1']\n"
            "def silent():\n    found = []\n    for use in uses:\n        try: exec(use, globals(), {})\n        except RuntimeError as error: assert \"'lock' of the\" in str(error), error\n"
            "        else: found.append(use)\n    return found"
        )
        ask = "with multiprocessing.get_context('spawn').Pool(1) as pool: made = pool.apply_async(%s).get(20)\nmade"
        self.assertEqual(self.host.evaluate(ask % "k"), ["/x/a", 1, 1, "1.2.3.4", True])
        self.assertEqual(self.host.evaluate(ask % "silent"), [])

    def test_spawned_processes_spawn_others(self):
        self.host.evaluate(
            "n = 1\nclass Point:\n    def __init__(self, x): self.x = x\ndef inner(point): return point.x + n\n"
            "def outer(method):\n    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool: return pool.submit(inner, Point(1)).result(20)"
        )
        for method in METHODS:
            code = "with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(%r)) as pool: made = pool.submit(outer, %r).result(20)\nmade"
            self.assertEqual(self.host.evaluate(code % (method, method)), 2)
