import sys
import unittest

from beep_python import _type_name, _wire

from .sessions import CALL, EVALUATE, GETATTR, SessionTest

PRELUDE = """
import array, collections, dataclasses, datetime, decimal, enum, fractions, types, uuid
class Color(enum.Enum):
    RED = 7
@dataclasses.dataclass
class Record:
    x: object
class Fluent:
    def chain(self): return self
    def record(self): return Record(1)
    def numbers(self): return iter((1, 2))
    held = iter((1, 2))
async def later():
    yield 1
    yield 2
inf, nan = float('inf'), float('nan')
None
"""


class Names(unittest.TestCase):
    def test_names(self):
        for hint, name, arguments in (
            ("Double", "Double", []),
            ("System.Double", "Double", []),
            ("", "", []),
            ("System.Double[]", "Double[]", []),
            ("Nullable`1[]", "Nullable`1[]", []),
            ("System.Nullable`1[[System.Double, System.Private.CoreLib, Version=9.0.0.0, Culture=neutral]]", "Nullable`1", ["Double"]),
            ("System.Nullable`1[[System.Double, System.Private.CoreLib]][]", "Nullable`1[]", ["Double"]),
            ("System.Collections.Generic.List`1[[System.Nullable`1[[System.Int32, X]], Y]]", "List`1", ["Nullable`1"]),
            ("System.Collections.Generic.Dictionary`2[[System.String, A],[System.Double[], B]]", "Dictionary`2", ["String", "Double[]"]),
            ("Beep.Python.IPythonObjectHandle", "IPythonObjectHandle", []),
            ("[[", "", []),
            ("X[[a", "X", []),
        ):
            with self.subTest(hint=hint):
                asked = _type_name.parse(hint)
                self.assertEqual((asked.name, [inner.name for inner in asked.arguments]), (name, arguments))
        inner = _type_name.parse("List`1[[System.Nullable`1[[System.Int32, X]], Y]]").arguments[0]
        self.assertEqual([argument.name for argument in inner.arguments], ["Int32"])


class ReturnTypes(SessionTest):
    def setUp(self):
        super().setUp()
        self.evaluate(PRELUDE)

    def gives(self, hint, *pairs):
        for code, text in pairs:
            with self.subTest(hint=hint, code=code):
                kind, answer = self.ask(EVALUATE, expression=code, returnType=hint)
                self.assertEqual((kind, answer.decode()), (_wire.VALUE, text))

    def refuses(self, hint, *codes, says=""):
        for code in codes:
            with self.subTest(hint=hint, code=code):
                reason, detail = self.refused(EVALUATE, expression=code, returnType=hint)
                self.assertEqual(reason, "not_representable")
                self.assertIn(says, detail)
                self.assertRegex(detail, "; (ask for|evaluate|convert)")

    def test_integers(self):
        for hint in ("Int32", "Int64", "System.Int32", "Byte", "UInt64", "Int128"):
            self.gives(hint, ("3.0", "3"), ("True", "1"), ("Color.RED", "7"), ("fractions.Fraction(6, 2)", "3"), ("decimal.Decimal(4)", "4"))
            self.refuses(hint, "3.5", "'3'", "None", "inf", "nan", "[]", "object()", "2**128")
        self.refuses("Byte", "256", "-1", says="out of its range")
        self.refuses("Int32", "2**31", says="out of its range")
        self.gives("Int64", ("-2**63", str(-(2**63))))

    def test_numbers(self):
        self.gives("Double", ("1", "1"), ("1.5", "1.5"), ("True", "1"), ("fractions.Fraction(1, 4)", "0.25"), ("decimal.Decimal('1.10')", "1.1"))
        self.gives("Double", ("inf", "1e999"), ("-inf", "-1e999"))
        self.gives("Single", ("inf", "1e999"))
        self.gives("Decimal", ("decimal.Decimal('1.10')", "1.10"))
        self.gives("Double", ("10**305", "1e+305"))
        self.gives("Decimal", ("2**96 - 1", str(2**96 - 1)))
        self.gives("Single", ("3.4028235e38", "3.4028235e+38"))
        self.refuses("Decimal", "2**96")
        self.refuses("Double", "nan", says="Nullable<Double>")
        self.refuses("Double", "'1.5'", "None", "10**400", "object()")
        self.refuses("Single", "1e300", says="ask for Double")
        self.refuses("Half", "65505", "inf")
        self.refuses("Decimal", "1e30", "inf")
        self.gives("Nullable`1", ("nan", "null"), ("None", "null"), ("1.5", "1.5"))
        self.gives("System.Nullable`1[[System.Int32, X]]", ("2.0", "2"), ("None", "null"))
        for hint in ("BigInteger", "IntPtr", "Complex"):
            self.refuses(hint, "1", says="ask for String")
        self.refuses("Double[,]", "[[1]]", says="X[][]")

    def test_text(self):
        self.gives("String", ("1 + 1", '"2"'), ("{1}", '"{1}"'), ("None", "null"), ("'é'", '"é"'), ("datetime.date(2026, 1, 2)", '"2026-01-02"'))
        self.gives("String", ("b'a'", '"YQ=="'), ("uuid.UUID(int=1)", '"00000000-0000-0000-0000-000000000001"'), ("'\\ud800'", '"?"'))
        self.evaluate("class Silent:\n    def __str__(self): raise ValueError('no')")
        self.gives("String", ("Silent()", '"<__main__.Silent, whose __str__ raised ValueError>"'))
        self.assertEqual(len(self.evaluate("list(range(30000))", returnType="String")), len(str(list(range(30000)))))
        self.gives("String", ("10**4500", '"1%s"' % ("0" * 4500)), ("range(10**12)", '"range(0, 1000000000000)"'))
        self.evaluate("class Slow:\n    def __str__(self): raise KeyboardInterrupt\nclass Exits:\n    def __str__(self): raise SystemExit")
        with self.assertRaises(KeyboardInterrupt):
            self.ask(EVALUATE, expression="Slow()", returnType="String")
        self.gives("String", ("Exits()", '"<__main__.Exits, whose __str__ raised SystemExit>"'))
        self.gives("Char", ("'a'", '"a"'))
        self.refuses("Char", "'ab'", "''", "'\\U0001f600'", "1")

    def test_moments(self):
        moment = "datetime.datetime(2026, 1, 2, 3, 4, 5, 6, %s)"
        self.gives("DateTime", (moment % "None", '"2026-01-02T03:04:05.000006"'), ("datetime.date(2026, 1, 2)", '"2026-01-02"'))
        self.gives("DateTimeOffset", (moment % "datetime.timezone.utc", '"2026-01-02T03:04:05.000006+00:00"'))
        self.gives("DateTime", ("'2026-01-02'", '"2026-01-02"'))
        odd = "datetime.timezone(datetime.timedelta(seconds=1))"
        self.refuses("DateTime", "1", "'soon'", "None", moment % odd, says="ask for String")
        self.refuses("DateTime", "'2020-13-45'", "'2020-01-01T25:61:61'", "'2020-01-01T00:00:00+20:00'")
        self.gives("DateTime", ("'2020-01-01T10:00'", '"2020-01-01T10:00"'))
        self.refuses("TimeOnly", "'25:00:00'")
        self.refuses("TimeSpan", "'24:00:00'", "'99:00:00'")
        self.refuses("DateOnly", "'2020-13-13'")
        self.gives("DateOnly", ("datetime.date(2026, 1, 2)", '"2026-01-02"'), ("datetime.datetime(2026, 1, 2)", '"2026-01-02"'))
        self.refuses("DateOnly", moment % "None", says="ask for DateTime")
        self.gives("TimeOnly", ("datetime.time(1, 2)", '"01:02:00"'))
        self.refuses("TimeOnly", "datetime.time(1, tzinfo=datetime.timezone.utc)")

    def test_spans_and_uuids(self):
        delta = "datetime.timedelta(days=%d, seconds=%d, microseconds=%d)"
        self.gives("TimeSpan", (delta % (1, 3661, 5), '"1.01:01:01.0000050"'), (delta % (0, 59, 0), '"00:00:59"'), (delta % (0, -1, 0), '"-00:00:01"'))
        self.refuses("TimeSpan", "5", "'long'", "datetime.timedelta.max")
        self.gives("Guid", ("uuid.UUID(int=1)", '"00000000-0000-0000-0000-000000000001"'), ("'0000000A-0000-0000-0000-000000000001'", '"0000000A-0000-0000-0000-000000000001"'))
        self.refuses("Guid", "'x'", "1")

    def test_booleans(self):
        self.gives("Boolean", ("True", "true"), ("1 > 2", "false"))
        self.refuses("Boolean", "1", "'true'", "None", "[]", says="bool(")

    def test_arrays(self):
        for code in ("[1, 2]", "(1, 2)", "{1, 2}", "range(1, 3)", "array.array('i', [1, 2])", "(n for n in (1, 2))", "map(int, '12')"):
            self.gives("Single[]", (code, "[1,2]"))
            self.gives("List`1", (code, "[1,2]"))
        self.gives("Int32[]", ("later()", "[1,2]"), ("[1.0, True]", "[1,1]"), ("collections.deque((1,))", "[1]"), ("{1: 2}.keys()", "[1]"))
        self.gives("Double[]", ("[1.5, inf]", "[1.5,1e999]"), ("[]", "[]"))
        self.gives("String[]", ("['a', 1, None]", '["a","1",null]'))
        self.gives("Double[][]", ("[[1.5], (2,)]", "[[1.5],[2]]"))
        self.gives("Object[]", ("[1, 'a', {2}]", '[1,"a",[2]]'))
        self.refuses("System.Double[]", "{'a': 1}", "'12'", "b'12'", "5", "None", "Record(1)")
        self.refuses("Double[]", "[1, 'x']", says="item 1 of")
        self.refuses("Double[]", "[1.0, nan]", says="Nullable<Double>")
        self.refuses("Single[]", "[1e300]")
        self.refuses("Int32[]", "[2**31]", "[1.5]", "[[1]]")
        self.gives("System.Nullable`1[[System.Double, X]][]", ("[1.5, None, nan]", "[1.5,null,null]"))
        self.gives("Nullable`1[]", ("[1.5, None, nan]", "[1.5,null,null]"))
        self.gives("Byte[]", ("b'ab'", '"YWI="'), ("bytearray(b'a')", '"YQ=="'), ("[97, 98]", '"YWI="'), ("array.array('B', b'a')", '"YQ=="'))
        self.refuses("Byte[]", "'ab'", "[256]", "1")

    def test_collections(self):
        self.gives("List`1", ("[nan, inf, 1]", "[null,1e999,1]"))
        self.gives("System.Collections.Generic.List`1[[System.Int32, X]]", ("[1.0, 2]", "[1,2]"))
        self.refuses("List`1", "{'a': 1}", "'ab'", "b'ab'", "1")
        self.gives("Dictionary`2", ("{'a': 1}", '{"a":1}'), ("Record({1})", '{"x":[1]}'), ("types.MappingProxyType({1: 2})", '{"1":2}'))
        self.refuses("Dictionary`2", "[1]", "1", "'a'")
        self.gives("Tuple`2", ("(1, 'a')", '{"Item1":1,"Item2":"a"}'))
        self.gives("KeyValuePair`2", ("(1, 'a')", '{"Key":1,"Value":"a"}'))
        self.refuses("Tuple`2", "(1,)", "1")
        self.refuses("ValueTuple`2", "(1, 2)", says="zeros")

    def test_others(self):
        self.gives("MyDto", ("Record([nan])", '{"x":[null]}'), ("1.5", "1.5"))
        self.gives("JsonElement", ("{'a': nan}", '{"a":null}'))
        self.refuses("MyDto", "object()", "[len]")
        self.gives("json", ("[nan, (1,)]", '["NaN",[1]]'))
        self.refuses("json", "object()")
        self.evaluate("class Meta(type):\n    def __getattribute__(self, name): 1/0\nclass Odd(metaclass=Meta): pass\nNone")
        for hint in ("json", "Double", "List`1", "MyDto"):
            self.refuses(hint, "Odd()")
        self.gives("text", ("'é'", '"é"'), ("None", "null"), ("Record({1})", '"Record(x={1})"'), ("1.0", '"1.0"'), ("''", '""'))
        self.gives("text", ("5;", "null"), ("5 ; # five", "null"), ("'a;'", '"a;"'), ("a = 5; a", '"5"'))
        self.gives("text", ("5;", "null"), ("5", '"5"'))  # once more, as what was prepared
        self.assertEqual(self.evaluate("5;"), 5)
        self.assertIsNone(self.evaluate("x;", returnType="text", locals={"x": 5}))
        self.evaluate("class Bad:\n    def __repr__(self): return 1/0\nNone")
        with self.assertRaises(ZeroDivisionError):
            self.evaluate("Bad()", returnType="text")
        if hasattr(sys, "get_int_max_str_digits"):
            with self.assertRaisesRegex(ValueError, "4300"):
                self.evaluate("10**5000", returnType="text")
        for hint in ("Object", "System.Object", "", None):
            self.assertEqual(self.evaluate("3.0", returnType=hint), 3.0)
            self.handle(EVALUATE, expression="object()", returnType=hint)
        self.assertEqual(self.refused(EVALUATE, expression="1", returnType=5)[0], "invalid_request")

    def test_an_iterator_without_an_end(self):
        self.session.streams.result_bytes = 1000
        self.assertEqual(self.refused(EVALUATE, expression="iter(int, 1)", returnType="List`1")[0], "result_too_large")

    def test_handles(self):
        hint = "Beep.Python.IPythonObjectHandle"
        self.assertEqual(self.handle(CALL, handleId=self.keep("'ab'"), methodName="upper", returnType=hint)["typeName"], "str")
        self.assertEqual(self.handle(GETATTR, handleId=self.keep("1"), attributeName="real", returnType="handle")["typeName"], "int")

    def test_calls_for_their_effect(self):
        fluent = self.keep("Fluent()")
        for hint in ("Boolean", "Int32", "Object", None):
            self.handle(CALL, handleId=fluent, methodName="chain", returnType=hint)
        for hint in ("Double", "Int64", "Double[]", "MyDto"):
            self.assertEqual(self.refused(CALL, handleId=fluent, methodName="chain", returnType=hint)[0], "not_representable")
        self.assertEqual(self.refused(CALL, handleId=self.keep("'x'"), methodName="upper", returnType="Int32")[0], "not_representable")

    def test_records_are_values_where_they_are_asked_for(self):
        fluent = self.keep("Fluent()")
        self.handle(CALL, handleId=fluent, methodName="record")
        self.assertEqual(self.read(CALL, handleId=fluent, methodName="record", returnType="MyDto"), {"x": 1})
        self.assertEqual(self.evaluate("Record(1)"), {"x": 1})

    def test_iterators_that_belong_to_the_object_are_not_consumed(self):
        fluent = self.keep("Fluent()")
        self.assertEqual(self.read(CALL, handleId=fluent, methodName="numbers", returnType="Int32[]"), [1, 2])
        self.assertEqual(self.refused(GETATTR, handleId=fluent, attributeName="held", returnType="Int32[]")[0], "not_representable")
        self.assertEqual(self.evaluate("next(Fluent.held)"), 1)

    def test_the_refusal_says_that_the_code_ran(self):
        with self.assertRaises(_wire.Rejected) as caught:
            self.ask(EVALUATE, expression="'x'", returnType="Int32")
        self.assertTrue(caught.exception.ran)
