import collections
import sys
import typing

from .data import needs
from .test_completion import PromptTest


class Values(PromptTest):
    """What is known of a value without running code of the user's."""

    def gives(self, *cases):
        for source, names in cases:
            with self.subTest(source=source):
                self.assertEqual(self.names(source), names.split())

    def test_items_of_what_methods_of_c_give(self):
        vars(self.main).update(s="a b", b=b"a b", n=5, x=1.5, d={"key": [1], 5: "text"}, words=["x", 2])
        self.gives(
            ("s.split()[0].low", "lower"), ("s.rsplit()[0].upp", "upper"), ("s.splitlines()[-1].upp", "upper"), ("'a b'.partition(' ')[0].upp", "upper"),
            ("s.rpartition(' ')[2].upp", "upper"), ("b.split()[0].dec", "decode"), ("b''.partition(b'')[2].dec", "decode"), ("s.split()[1:].app", "append"),
            ("s.split()[1:][0].upp", "upper"), ("s.title().split()[0].upp", "upper"), ("str.split(s)[0].upp", "upper"), ("s.split()[n].upp", "upper"),
            ("s.upper()[0].upp", "upper"), ("s.upper()[:1].upp", "upper"), ("s.encode()[0].bit_l", "bit_length"), ("s.encode()[:1].dec", "decode"),
            ("b.decode()[0].upp", "upper"), ("str(n)[0].upp", "upper"), ("(s + s)[0].upp", "upper"), ("(words + words)[0].upp", "upper"),
            ("words[1:][0].bit_l", "bit_length"), ("words.copy()[0].upp", "upper"), ("d.copy()['key'].app", "append"), ("range(5)[0].bit_l", "bit_length"),
            ("d.items().isd", "isdisjoint"), ("list(d.items())[0].cou", "count"), ("list(d)[0].upp", "upper"), ("list(d.values())[0].app", "append"),
            ("tuple(words)[0].upp", "upper"), ("dict(a=[1])['a'].app", "append"), ("list(s.split())[0].upp", "upper"), ("sorted(['x'])[0].upp", "upper"),
            ("n.real.bit_l", "bit_length"), ("str(n).find('').real.bit_l", "bit_length"), ("x.as_integer_ratio()[0].bit_l", "bit_length"),
            ("x.hex().upp", "upper"), ("len(s).bit_l", "bit_length"), ("repr(n).upp", "upper"), ("(words if n else s).app", "append"),
            ("(unknown or s).upp", "upper"), ("bytes.fromhex('').dec", "decode"), ("max('a b').upp", "upper"), ("max(1, 2).upp", ""), ("len.real.", ""),
        )  # fmt: skip

    def test_classes(self):
        exec("class K:\n    attr = 'x'\nk = K()\nk.own = [1]\ns = ''", vars(self.main))
        self.gives(
            ("type(s).upp", "upper"), ("s.__class__.upp", "upper"), ("type(k).att", "attr"), ("k.__class__.attr.upp", "upper"), ("type(k)().att", "attr"),
            ("type(s).__name__.upp", "upper"), ("K.__name__.upp", "upper"), ("K.__mro__[0].att", "attr"), ("K.__dict__['attr'].upp", "upper"),
            ("k.__dict__['own'].app", "append"), ("type(s.split()).app", "append"), ("type('N', (), {}).att", ""),
        )  # fmt: skip

    def test_fields_of_named_tuples(self):
        class Row(typing.NamedTuple):
            first: int
            name: str = "n"

        vars(self.main).update(pt=collections.namedtuple("Pt", "xx yy")(1, "two"), row=Row(1), Row=Row)
        self.gives(("pt.yy.upp", "upper"), ("pt[1].upp", "upper"), ("row.name.upp", "upper"), ("row[1].upp", "upper"), ("Row(1).name.upp", "upper"))

    def test_hints(self):
        exec(
            "import typing\nfrom typing import List, Optional\n"
            "def texts() -> List[str]: pass\ndef quoted() -> 'typing.List[str]': pass\ndef maybe() -> Optional[str]: pass\ndef pair() -> 'tuple[int, str]': pass\n"
            "def many() -> 'tuple[str, ...]': pass\ndef table() -> 'dict[str, list[str]]': pass\ndef union() -> 'str | None': pass\ndef either() -> 'str | int': pass\n"
            "class Point:\n    x: int\n    name: 'str' = ''\n",
            vars(self.main),
        )
        self.gives(
            ("texts()[0].upp", "upper"), ("quoted()[0].upp", "upper"), ("maybe().upp", "upper"), ("pair()[1].upp", "upper"), ("many()[5].upp", "upper"),
            ("table()['a'][0].upp", "upper"), ("union().upp", "upper"), ("either().upp", ""), ("Point().na", "name"), ("Point().name.upp", "upper"),
        )  # fmt: skip

    def test_collections(self):
        class Own(dict):
            pass

        made = collections.defaultdict(list, has=[1])
        vars(self.main).update(
            made=made, counted=collections.Counter("aab"), ordered=collections.OrderedDict(first=[1]), own=Own(mine="x"), queue=collections.deque("q"),
            wrapped=collections.UserDict(a="x"), chain=collections.ChainMap({}, {"c": "x"}), nested=collections.defaultdict(lambda: made),
        )  # fmt: skip
        self.gives(
            ("made['nope'].app", "append"), ("made['has'][0].bit_l", "bit_length"), ("counted['a'].bit_l", "bit_length"), ("counted['z'].bit_l", "bit_length"),
            ("counted.most_common()[0].cou", "count"), ("ordered['first'].app", "append"), ("ordered['fi", "'first']"), ("own['mine'].upp", "upper"),
            ("own['mi", "'mine']"), ("queue[0].upp", "upper"), ("wrapped['a'].upp", "upper"), ("chain['c'].upp", "upper"), ("nested['x'].", ""),
        )  # fmt: skip
        self.assertEqual((dict(made), len(self.main.counted), len(self.main.nested)), ({"has": [1]}, 2, 0))

    @needs("pandas")
    def test_data_frames(self):
        import pandas

        when, kind = pandas.to_datetime(["2020", "2021"]), pandas.Categorical(["u", "v"])
        frame = pandas.DataFrame({"col_a": [1, 2], "col_b": ["x", "y"], "when": when, "kind": kind})
        vars(self.main).update(df=frame, named=frame.set_index("col_b"))
        self.gives(
            ("df['col_b'].str.upp", "upper"), ("df.col_b.str.upp", "upper"), ("df['when'].dt.yea", "year"), ("df['kind'].cat.cate", "categories"),
            ("df.plot.sca", "scatter"), ("df['col_a'].plot.his", "hist"), ("df.columns.str.upp", "upper"), ("df[['col_a', 'col_b']].groupb", "groupby"),
            ("df.loc[0].ilo", "iloc"), ("df.loc[0, 'col_b'].upp", "upper"), ("df.iloc[0, 1].upp", "upper"), ("df['col_b'].iloc[0].upp", "upper"),
            ("df.shape[0].bit_l", "bit_length"), ('df.loc[:, "c', '"col_a"] "col_b"]'), ('df.loc[0, "col_b', '"col_b"]'), ("df.loc[:, ['when', 'col_b", "'col_b']"),
            ('df[["when", "col_b', '"col_b"]'), ("named.loc['", "'x'] 'y']"), ("named['col_a'].loc['x", "'x']"), ("df['col_a'].loc['", ""), ("df['nope", ""),
        )  # fmt: skip
        self.assertNotIn("str", vars(frame["col_b"]))


class NothingRuns(PromptTest):
    """The user's code does not."""

    def setUp(self):
        super().setUp()
        self.ran = self.main.ran = []

    def completes(self, *sources):
        for source in sources:
            with self.subTest(source=source):
                self.names(source)
                self.assertEqual(self.ran, [])
        return self.names

    def test_of_objects(self):
        exec(
            "class Any:\n"
            "    def __getattr__(self, name): ran.append(name)\n"
            "    def __getitem__(self, key): ran.append(key)\n"
            "    def __hash__(self): ran.append('hash'); return hash('a')\n"
            "    def __eq__(self, other): ran.append('eq'); return True\n"
            "    def __len__(self): ran.append('len'); return 1\n"
            "    def __iter__(self): ran.append('iter'); return iter(())\n"
            "    def __bool__(self): ran.append('bool'); return True\n"
            "    def __repr__(self): ran.append('repr'); return ''\n"
            "    def __index__(self): ran.append('index'); return 0\n"
            "    def __lt__(self, other): ran.append('lt'); return True\n"
            "    def __add__(self, other): ran.append('add')\n"
            "    __radd__ = __add__\n"
            "    def __call__(self, given): ran.append('call')\n"
            "class Hides:\n    __dict__ = __class__ = property(lambda self: ran.append('property'))\n"
            "class Items(list):\n"
            "    def __getitem__(self, key): ran.append(key)\n"
            "    def __len__(self): ran.append('len')\n"
            "    def __iter__(self): ran.append('iter')\n"
            "class Static(staticmethod):\n    __func__ = property(lambda self: ran.append('func'))\n"
            "class cached_property:\n    func = property(lambda self: ran.append('func'))\n    def __get__(self, *of): ran.append('get')\n"
            "class Has:\n    static, cached = Static(len), cached_property()\n"
            "any, hides, has, items, words = Any(), Hides(), Has(), Items('x'), ['x']\n"
            "import functools\nwrapped = functools.wraps(len)(lambda: 1)\nwrapped.__wrapped__ = any\npart = functools.partial(any)\n"
            "keyed = {any: 1}\nran.clear()",
            vars(self.main),
        )
        self.completes(
            *("any.x.", "any[0].", "any().", "any(gi", "any['", "any + any.x", "(any + 1).", "(1 + any).", "words[any].", "words[any:].", "words[:any].x"),
            *("keyed['a'].", "keyed['a", "keyed[", "keyed[any].", "{any: 1}['a'].", "(any or 1).x", "(1 if any else 2).x", "list(any)[0].", "{any}.ad", "{any, any}.copy().ad", "sorted(any)[0].x"),
            *("sorted([any, any])[0].x", "len(any).x", "type(any).x", "any.__class__.x", "hides.__dict__['a'].", "hides.__class__.x", "hides.x", "hides."),
            *("items[0].", "items[:1].", "list(items)[0].", "items.copy()[0].x", "has.static.", "has.static().", "has.cached.", "'x'.join(any)[0].x", "any.x(", "part(", "wrapped("),
        )  # fmt: skip
        self.assertEqual(self.names("any(giv"), ["given="])
        self.assertEqual(self.names("type(any)().__cal"), ["__call__"])

    def test_of_classes_and_metaclasses(self):
        exec(
            "class Meta(type):\n"
            "    def __getattribute__(self, name): ran.append(name); return type.__getattribute__(self, name)\n"
            "    def __getattr__(self, name): ran.append(name)\n"
            "    def __getitem__(self, key): ran.append(key)\n"
            "    def __call__(self, *given): ran.append('call')\n"
            "    def __instancecheck__(self, value): ran.append('instance')\n"
            "    def __eq__(self, other): ran.append('eq'); return True\n"
            "    def __hash__(self): ran.append('hash'); return hash(str)\n"
            "    def __dir__(self): ran.append('dir'); return []\n"
            "class C(metaclass=Meta):\n    attr = 'x'\n    def m(self, given): pass\n"
            "def make() -> C: pass\n"
            "c, made = object.__new__(C), [object.__new__(C)]\nran.clear()",
            vars(self.main),
        )
        self.completes("C.x", "C.attr.upp", "C.none.", "C().", "C(", "C[0].", "c.x", "c.m(", "c + 1 .x", "(c + 1).x", "[c][0].x", "{'a': c}['a'].x", "made[c].x")
        self.completes("type(c).x", "c.__class__.x", "make().x", "make().m(", "list(made)[0].x", "sorted(made)[0].x", "C.__name__.upp", "C.__mro__[0].x")
        self.assertEqual(self.names("C.attr.upp"), ["upper"])
        self.assertEqual(self.names("type(c).att"), ["attr"])

    @needs("pandas")
    def test_of_data_frames(self):
        import pandas

        exec(
            "class Label:\n"
            "    def __hash__(self): ran.append('hash'); return hash('a')\n"
            "    def __eq__(self, other): ran.append('eq'); return True\n"
            "    def __repr__(self): ran.append('repr'); return ''\n"
            "class Accessor:\n    def __init__(self, of): ran.append('accessor')\n    def method(self): ran.append('method')\n"
            "def function(of): ran.append('function'); return slice(None)\n",
            vars(self.main),
        )
        pandas.api.extensions.register_series_accessor("mine")(self.main.Accessor)
        self.addCleanup(delattr, pandas.Series, "mine")
        self.main.df, self.main.odd = pandas.DataFrame({"a": ["x"]}), pandas.DataFrame([[1, 2]], columns=[self.main.Label(), "a"])
        self.main.label = self.main.Label()
        self.ran.clear()
        self.completes("df[function].x", "df.loc[function].x", "df[label].x", "odd['a'].x", "odd.a.x", "odd['", "odd[", "odd.loc[:, 'a'].x", "odd.loc[0, 'a", "df['a'].mine.x")
        self.assertEqual(self.names("df['a'].mine.met"), ["method"])

    def test_of_modules(self):
        exec("import types\nclass Lazy(types.ModuleType):\n    def __getattribute__(self, name): ran.append(name)\nlazy = Lazy('lazy')", vars(self.main))
        self.addCleanup(sys.modules.pop, "lazy_one", None)
        sys.modules["lazy_one"] = self.main.lazy
        before = {*sys.modules}
        self.completes("lazy.x", "lazy.x.", "import lazy_one.x", "from lazy_one import x", "from lazy_one.x", "import os.pa", "import wsgiref.h")
        self.assertEqual({*sys.modules} - before, set())
