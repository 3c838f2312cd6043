//! Values: what goes out comes back as it was, and Python sees what was meant.

use beep_python_client::{Handle, Locals, Response, Returned, Value};
use beep_python_protocol::{BigInt, DateTime, EnumMember, Time, TimeDelta};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    every_kind_of_value_makes_the_round_trip,
    any_value_makes_the_round_trip,
    deep_nesting_travels_until_it_becomes_a_handle,
    long_text_and_many_items_travel,
    integers_beyond_what_python_converts_stay_in_the_session,
    moments_travel_with_the_name_of_their_zone,
    answers_keep_the_order_of_their_keys,
];

/// Compares two values as they must be: of the same types at any depth, NaN like NaN and -0.0 unlike 0.0.
const ALIKE: &str = "
import struct, datetime, decimal, http, pathlib, uuid
def alike(a, b):
    if type(a) is not type(b):
        return False
    if type(a) is float:
        return struct.pack('d', a) == struct.pack('d', b) or (a != a and b != b)
    if type(a) is complex:
        return alike(a.real, b.real) and alike(a.imag, b.imag)
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if type(a) in (set, frozenset):
        return len(a) == len(b) and all(any(alike(x, y) for y in b) for x in a)
    if type(a) is dict:
        return len(a) == len(b) and all(map(alike, a.items(), b.items()))
    if type(a) is decimal.Decimal:
        return str(a) == str(b)
    if type(a) in (datetime.datetime, datetime.time):
        return a == b and a.fold == b.fold and a.utcoffset() == b.utcoffset() and a.tzname() == b.tzname()
    return a == b
";

/// The same in Rust. Sets come in any order.
fn alike(a: &Value, b: &Value) -> bool {
    let float = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    let all = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b));
    let any = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| alike(a, b)));
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => float(*a, *b),
        (Value::Complex(a, b), Value::Complex(c, d)) => float(*a, *c) && float(*b, *d),
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => all(a, b),
        (Value::Set(a), Value::Set(b)) | (Value::FrozenSet(a), Value::FrozenSet(b)) => any(a, b),
        (Value::Dict(a), Value::Dict(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, v), (l, w))| alike(k, l) && alike(v, w))
        }
        _ => a == b,
    }
}

/// The value as Python code.
fn source(value: &Value) -> String {
    let list = |items: &[Value]| items.iter().map(|item| source(item) + ", ").collect::<String>();
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    match value {
        Value::Float(number) if number.is_finite() => format!("{number:?}"),
        Value::Float(number) => format!("float('{number}')"),
        Value::Complex(a, b) => format!("complex({}, {})", source(&Value::Float(*a)), source(&Value::Float(*b))),
        Value::Str(text) => {
            let escaped = |letter: char| format!("\\U{:08x}", letter as u32);
            format!("'{}'", text.chars().map(escaped).collect::<String>())
        }
        Value::SurrogateStr(text) => format!("b'{}'.decode('utf-8', 'surrogatepass')", bytes(text.as_bytes())),
        Value::Bytes(data) => format!("b'{}'", bytes(data)),
        Value::ByteArray(data) => format!("bytearray(b'{}')", bytes(data)),
        Value::List(items) => format!("[{}]", list(items)),
        Value::Tuple(items) => format!("({})", list(items)),
        Value::Set(items) => format!("set([{}])", list(items)),
        Value::FrozenSet(items) => format!("frozenset([{}])", list(items)),
        Value::Dict(pairs) => {
            format!("{{{}}}", pairs.iter().map(|(k, v)| format!("{}: {}, ", source(k), source(v))).collect::<String>())
        }
        Value::Date(iso) => format!("datetime.date.fromisoformat('{iso}')"),
        Value::Uuid(text) => format!("uuid.UUID('{text}')"),
        Value::Path(text) => format!("pathlib.Path('{text}')"),
        Value::Enum(member) => format!("{}.{}({})", member.module, member.qualname, source(&member.value)),
        Value::DateTime(DateTime { iso, zone: Some(zone), .. }) => {
            let named = format!("datetime.timezone(datetime.datetime.fromisoformat('{iso}').utcoffset(), '{zone}')");
            format!("datetime.datetime.fromisoformat('{iso}').replace(tzinfo={named})")
        }
        Value::DateTime(DateTime { iso, fold, .. }) => {
            format!("datetime.datetime.fromisoformat('{iso}').replace(fold={})", i32::from(*fold))
        }
        Value::Time(Time { iso, fold, .. }) => {
            format!("datetime.time.fromisoformat('{iso}').replace(fold={})", i32::from(*fold))
        }
        Value::Decimal(_) => format!("decimal.{value}"),
        plain => plain.to_string(),
    }
}

/// Sends it, has Python look at it, and gets it back; then has Python make one, and gets that.
async fn round_trip(context: &TestContext, value: &Value) -> Result<(), String> {
    let code = source(value);
    let asked = format!("(it, alike(it, {code}), {code})");
    let answer = context.python.evaluate_with::<(Value, bool, Value)>(&asked, [("it", value)]).await;
    let (back, meant, made) = answer.map_err(|error| format!("{code}: {error}"))?;
    match (alike(&back, value), meant, alike(&made, value)) {
        (true, true, true) => Ok(()),
        (_, false, _) => Err(format!("Python took {value} for something else than {code}")),
        (false, _, _) => Err(format!("{value} came back as {back}")),
        (_, _, false) => Err(format!("{code} came as {made}")),
    }
}

async fn every_kind_of_value_makes_the_round_trip(context: &TestContext) {
    context.python.evaluate::<()>(ALIKE).await.expect("defined");
    let json = |text: &str| serde_json::from_str::<Value>(text).expect(text);
    let mut values: Vec<Value> = vec![
        Value::None,
        true.into(),
        false.into(),
        0.into(),
        i64::MIN.into(),
        i64::MAX.into(),
        ((1i64 << 53) + 1).into(),
        Value::from(1u128 << 100),
        Value::from(-(1i128 << 100)),
        BigInt::parse(&"9".repeat(4000)).expect("digits").into(),
        "".into(),
        "é\u{1F600}\u{0}\u{7f}\u{2028}\u{feff}\"\\/<>&'+`\r\n\t".into(),
        "$tuple".into(),
        Value::bytes([]),
        Value::bytes((0..=255).collect::<Vec<u8>>()),
        Value::ByteArray(vec![]),
        Value::ByteArray(vec![0, 255]),
        Value::List(vec![]),
        Value::Tuple(vec![]),
        Value::Tuple(vec![1.into()]),
        Value::Tuple(vec![Value::List(vec![Value::Tuple(vec![])])]),
        Value::Set(vec![]),
        Value::Set(vec![1.into(), "1".into(), Value::None, Value::Tuple(vec![1.into()])]),
        Value::FrozenSet(vec![]),
        Value::Set(vec![Value::FrozenSet(vec![Value::FrozenSet(vec![])])]),
        Value::Dict(vec![]),
        // As JSON both keys would be "1".
        Value::Dict(vec![(1.into(), "number".into()), ("1".into(), "text".into())]),
        Value::Dict(vec![(true.into(), 1.into()), ("true".into(), 2.into()), (Value::None, 3.into())]),
        Value::Dict(vec![(Value::Tuple(vec![1.into(), 2.into()]), Value::List(vec![])), (1.5.into(), 0.into())]),
        Value::Dict(vec![(Value::bytes([1]), 1.into()), (Value::Float(f64::INFINITY), 2.into())]),
        Value::Dict(vec![("b".into(), 1.into()), ("a".into(), 2.into()), ("".into(), 3.into())]),
        // What tags and handles look like is a dict when a user made it.
        Value::from_iter([("$handle", "s.1.1")]),
        Value::from_iter([("$tuple", Value::List(vec![1.into()]))]),
        Value::from_iter([("$dict", Value::List(vec![]))]),
        Value::from_iter([("$nothing", 1), ("plain", 2)]),
        Value::from_iter([("handleId", "x"), ("typeName", "list")]),
        Value::List(vec![Value::from_iter([("$", Value::from_iter([("$$", 1)]))])]),
        Value::from_iter([("fold", 1)]),
        json(r#"{"$str": "YS3tsoA="}"#), // "a-\udc80"
        json(r#"{"$str": "7aC97bO/"}"#), // a high and a low surrogate that make no pair
        json(r#"{"$dict": [[{"$str": "7bKA"}, {"$str": "7bKA"}]]}"#),
    ];
    let floats = [0.0, -0.0, 0.1, 1e16, 1e-7, 5e-324, f64::MAX, f64::MIN, f64::EPSILON, f64::INFINITY, -f64::INFINITY];
    values.extend(floats.map(Value::Float));
    values.extend([Value::Float(f64::NAN), Value::Complex(-0.0, f64::NAN), Value::Complex(0.0, -f64::INFINITY)]);
    let decimals = ["1.10", "-0", "0E-9", "1E+10", "NaN", "-sNaN123", "Infinity", "123456789012345678901234567890.123"];
    values.extend(decimals.map(|text| Value::Decimal(text.into())));
    values.extend(["0001-01-01", "2026-11-21", "9999-12-31"].map(|iso| Value::Date(iso.into())));
    let moments = [
        ("0001-01-01T00:00:00", false),
        ("9999-12-31T23:59:59.999999", false),
        ("2026-10-25T02:30:00", true),
        ("2026-11-21T09:30:00+00:00", false),
        ("2026-11-21T09:30:00.000001-23:59", false),
        ("2026-11-21T09:30:00+05:30:15", true),
    ];
    values.extend(moments.map(|(iso, fold)| Value::DateTime(DateTime { iso: iso.into(), fold, zone: None })));
    let times = [("00:00:00", false), ("23:59:59.000001", true), ("12:00:00+01:00", false)];
    values.extend(times.map(|(iso, fold)| Value::Time(Time { iso: iso.into(), fold, zone: None })));
    values.push(Value::DateTime(DateTime {
        iso: "2026-11-21T09:30:00+01:00".into(),
        fold: false,
        zone: Some("named".into()),
    }));
    for (days, seconds, microseconds) in [(0, 0, 0), (-1, 86_399, 999_999), (999_999_999, 86_399, 999_999)] {
        values.push(Value::TimeDelta(TimeDelta { days, seconds, microseconds }));
    }
    values.push(Value::Uuid("12345678-1234-5678-1234-567812345678".into()));
    values.push(Value::Path("/tmp/a b".into()));
    let (module, qualname) = ("http".into(), "HTTPStatus".into());
    values.push(Value::Enum(Box::new(EnumMember { module, qualname, value: 404.into() })));
    for value in &values {
        round_trip(context, value).await.unwrap();
    }
    round_trip(context, &Value::List(values.clone())).await.unwrap();
    // As positional and keyword arguments, attributes and held values they are the same.
    let python = &context.python;
    let main = python.import_module("__main__").await.expect("imported");
    let holder: Handle = python.evaluate("class Holder: pass\nHolder()").await.expect("made");
    for value in &values {
        let args = beep_python_client::Args::new().arg(value).kwarg("b", value);
        assert!(python.call_method::<bool>(&main, "alike", args).await.expect("called"), "{value}");
        python.set_attribute(&holder, "it", value).await.expect("set");
        let read: Value = python.get_attribute(&holder, "it").await.expect("read");
        assert!(alike(&read, value), "{value} was read as {read}");
    }
}

/// Anything that Python can have, with keys and members of sets that do not collide there.
fn any_value() -> impl Strategy<Value = Value> {
    let text = || proptest::string::string_regex("[$a-cé\u{1F600}\"\\\\\u{0}\u{2028}]{0,6}").expect("a pattern");
    let surrogates = (text(), 0xd800u32..0xe000).prop_map(|(text, surrogate)| {
        let mut bytes = text.into_bytes();
        bytes.extend([
            0xe0 | (surrogate >> 12) as u8,
            0x80 | (surrogate >> 6 & 63) as u8,
            0x80 | (surrogate & 63) as u8,
        ]);
        let tagged = serde_json::json!({ "$str": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes) });
        serde_json::from_value::<Value>(tagged).expect("a text")
    });
    let bytes = || proptest::collection::vec(any::<u8>(), 0..9);
    let date = || (1..=9999u32, 1..=12u32, 1..=28u32).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let time = || (0..24u32, 0..60u32, 0..60u32).prop_map(|(h, m, s)| format!("{h:02}:{m:02}:{s:02}"));
    // What can be a key, and differs from any other kind.
    let key = prop_oneof![
        Just(Value::None),
        (2..i64::MAX).prop_map(Value::Int),
        any::<i128>().prop_filter("small", |number| number.unsigned_abs() > 1 << 64).prop_map(Value::from),
        text().prop_map(Value::Str),
        surrogates,
        bytes().prop_map(Value::Bytes),
        date().prop_map(Value::Date),
        proptest::collection::vec(text().prop_map(Value::Str), 0..3).prop_map(Value::Tuple),
    ];
    let distinct = |mut keys: Vec<Value>| {
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(source(key)));
        keys
    };
    let keys = proptest::collection::vec(key.clone(), 0..5).prop_map(distinct).boxed();
    let leaf = prop_oneof![
        key,
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        (any::<f64>(), any::<f64>()).prop_map(|(real, imaginary)| Value::Complex(real, imaginary)),
        bytes().prop_map(Value::ByteArray),
        (any::<i64>(), 0..9u32)
            .prop_map(|(digits, scale)| Value::Decimal(format!("{digits}E-{scale}")))
            .prop_filter_map("as Python writes it", |value| normal_decimal(&value)),
        (date(), time(), any::<bool>()).prop_map(|(date, time, fold)| Value::DateTime(DateTime {
            iso: format!("{date}T{time}"),
            fold,
            zone: None
        })),
        (time(), any::<bool>()).prop_map(|(iso, fold)| Value::Time(Time { iso, fold, zone: None })),
        (-999_999_999..=999_999_999, 0..86_400u32, 0..1_000_000u32)
            .prop_map(|(days, seconds, microseconds)| Value::TimeDelta(TimeDelta { days, seconds, microseconds })),
        keys.clone().prop_map(Value::Set),
        keys.clone().prop_map(Value::FrozenSet),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let items = || proptest::collection::vec(inner.clone(), 0..6);
        let pairs = (keys.clone(), proptest::collection::vec(inner.clone(), 5))
            .prop_map(|(keys, values)| Value::Dict(keys.into_iter().zip(values).collect()));
        prop_oneof![items().prop_map(Value::List), items().prop_map(Value::Tuple), pairs]
    })
}

/// `str(Decimal)` puts the point where it belongs; only that form compares as text.
fn normal_decimal(value: &Value) -> Option<Value> {
    let Value::Decimal(text) = value else { return None };
    let (digits, scale) = text.split_once("E-")?;
    let scale: usize = scale.parse().ok()?;
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    if scale == 0 {
        return Some(Value::Decimal(format!("{sign}{digits}")));
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let tiny = digits.trim_start_matches('0').len() + 6 < scale + 1;
    (!tiny).then(|| Value::Decimal(format!("{sign}{whole}.{fraction}")))
}

async fn any_value_makes_the_round_trip(context: &TestContext) {
    context.python.evaluate::<()>(ALIKE).await.expect("defined");
    let strategy = proptest::collection::vec(any_value(), 1..12).prop_map(Value::List);
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..24 {
        let mut tree = strategy.new_tree(&mut runner).expect("a value");
        let Err(mut told) = round_trip(context, &tree.current()).await else { continue };
        // The smallest that fails tells most.
        while tree.simplify() {
            loop {
                match round_trip(context, &tree.current()).await {
                    Err(simpler) => {
                        told = simpler;
                        break;
                    }
                    Ok(()) if tree.complicate() => {}
                    Ok(()) => panic!("{told}"),
                }
            }
        }
        panic!("{told}");
    }
}

async fn deep_nesting_travels_until_it_becomes_a_handle(context: &TestContext) {
    let python = &context.python;
    let mut deep = Value::None;
    for _ in 0..115 {
        deep = Value::List(vec![deep]);
    }
    let back: Value = python.evaluate_with("it", [("it", &deep)]).await.expect("returned");
    assert!(back == deep);
    let build = |depth| format!("x = None\nfor n in range({depth}): x = [x]\nx");
    for depth in [121, 1000, 100_000] {
        let returned: Returned = python.evaluate(&build(depth)).await.expect("returned");
        let Returned::Handle(held) = returned else { panic!("{depth} levels came as a value") };
        assert_eq!(held.type_name(), "list");
    }
    let value: Returned = python.evaluate(&build(120)).await.expect("returned");
    assert!(matches!(value, Returned::Value(_)));
    let circular: Returned = python.evaluate("c = {}\nc['c'] = c\nc").await.expect("returned");
    assert!(matches!(circular, Returned::Handle(_)));
    python.evaluate::<()>("x = c = None").await.expect("let go");
}

async fn long_text_and_many_items_travel(context: &TestContext) {
    let python = &context.python;
    for text in ["x".repeat(10 << 20), "é\u{1F600}\"\\\n".repeat(1 << 14)] {
        let locals = Locals::new().local("text", &text);
        let (length, back): (usize, String) =
            python.evaluate_with("(len(text), text)", locals).await.expect("returned");
        assert!((length, &back) == (text.chars().count(), &text));
    }
    let many: Vec<i64> = (0..50_000).collect();
    let back: Vec<i64> = python.evaluate_with("[-n for n in many]", [("many", &many)]).await.expect("returned");
    assert!(back.iter().zip(&many).all(|(a, b)| *a == -b) && back.len() == many.len());
    let printed: Response<i64> = python.evaluate("print('x' * 500_000); 1").await.expect("answered");
    assert_eq!(printed.stdout.len(), 500_001);
}

async fn integers_beyond_what_python_converts_stay_in_the_session(context: &TestContext) {
    let python = &context.python;
    let returned: Returned = python.evaluate("10 ** 100_000").await.expect("answered");
    // Since 3.11 (and in later releases of those before) Python refuses to write so many digits.
    match returned {
        Returned::Handle(held) => assert_eq!(held.type_name(), "int"),
        Returned::Value(Value::BigInt(number)) => assert_eq!(number.digits().len(), 100_001),
        Returned::Value(other) => panic!("{}", other.type_name()),
    }
}

async fn moments_travel_with_the_name_of_their_zone(context: &TestContext) {
    let code = "import datetime\nclass Rules(datetime.tzinfo):\n    def utcoffset(self, when): return datetime.timedelta(hours=1)\n    def dst(self, when): return None\n    def tzname(self, when): return 'R'\n";
    context.python.evaluate::<()>(code).await.expect("defined");
    for (code, zone, offset) in [
        ("datetime.datetime(2026, 11, 21, tzinfo=Rules())", "R", "+01:00"),
        ("datetime.time(9, tzinfo=Rules())", "R", "+01:00"),
        ("datetime.time(9, tzinfo=datetime.timezone(datetime.timedelta(hours=1), 'named'))", "named", "+01:00"),
    ] {
        let value: Value = context.python.evaluate(code).await.expect(code);
        let (Value::DateTime(DateTime { iso, zone: found, .. }) | Value::Time(Time { iso, zone: found, .. })) = &value
        else {
            panic!("{code}: {value:?}")
        };
        assert_eq!((found.as_deref(), iso.ends_with(offset)), (Some(zone), true), "{code}: {iso}");
        let back = context.python.evaluate_with::<String>("it.tzname()", [("it", &value)]).await.expect("read");
        assert_eq!(back, zone, "{code}");
    }
}

async fn answers_keep_the_order_of_their_keys(context: &TestContext) {
    let value: Value = context.python.evaluate("{str(n): n for n in range(99, -1, -1)}").await.expect("answered");
    let keys: Vec<i64> = value.pairs().expect("a dict").iter().filter_map(|(_, value)| value.as_i64()).collect();
    assert_eq!(keys, (0..100).rev().collect::<Vec<_>>());
}
