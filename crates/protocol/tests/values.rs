//! Values in the exact form, and as Rust's own types.

use std::collections::{BTreeMap, HashMap};

use beep_python_protocol::{BigInt, DateTime, HandleRef, Time, TimeDelta, Value, ValueError, from_value, to_value};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn write(value: &Value) -> String {
    serde_json::to_string(value).unwrap()
}

/// Every line of the table: how it is written, and what it is.
fn table() -> Vec<(&'static str, Value)> {
    let list = |items: &[i64]| items.iter().map(|item| Value::Int(*item)).collect::<Vec<_>>();
    vec![
        ("null", Value::None),
        ("true", Value::Bool(true)),
        ("9007199254740991", Value::Int((1 << 53) - 1)),
        (r#"{"$int":"9007199254740992"}"#, Value::Int(1 << 53)),
        (r#"{"$int":"-9223372036854775808"}"#, Value::Int(i64::MIN)),
        (r#"{"$int":"9223372036854775808"}"#, Value::BigInt(BigInt::parse("9223372036854775808").unwrap())),
        ("1.0", Value::Float(1.0)),
        ("-0.0", Value::Float(-0.0)),
        ("5e-324", Value::Float(5e-324)),
        (r#"{"$float":"Infinity"}"#, Value::Float(f64::INFINITY)),
        (r#"{"$float":"-Infinity"}"#, Value::Float(f64::NEG_INFINITY)),
        (r#"{"$complex":[1.0,-0.0]}"#, Value::Complex(1.0, -0.0)),
        (r#"{"$complex":[{"$float":"Infinity"},2.5]}"#, Value::Complex(f64::INFINITY, 2.5)),
        (r#""text \" \u0001 é""#, Value::from("text \" \u{1} é")),
        (r#"{"$bytes":"AP8="}"#, Value::bytes([0, 255])),
        (r#"{"$bytearray":""}"#, Value::ByteArray(vec![])),
        ("[1,[2]]", Value::List(vec![1.into(), Value::List(list(&[2]))])),
        (r#"{"$tuple":[1,{"$tuple":[]}]}"#, Value::Tuple(vec![1.into(), Value::Tuple(vec![])])),
        (r#"{"$set":[1,2]}"#, Value::Set(list(&[1, 2]))),
        (r#"{"$frozenset":[1]}"#, Value::FrozenSet(list(&[1]))),
        (r#"{"b":1,"a":2}"#, Value::Dict(vec![("b".into(), 1.into()), ("a".into(), 2.into())])),
        ("{}", Value::Dict(vec![])),
        (
            r#"{"$dict":[[1,"one"],[null,{}]]}"#,
            [(Value::Int(1), "one".into()), (Value::None, Value::Dict(vec![]))].into_iter().collect(),
        ),
        (r#"{"$dict":[["$handle","mine"]]}"#, Value::from_iter([("$handle", "mine")])),
        (r#"{"$decimal":"1.10"}"#, Value::Decimal("1.10".into())),
        (r#"{"$date":"2026-11-21"}"#, Value::Date("2026-11-21".into())),
        (
            r#"{"$datetime":"2026-11-21T09:30:00.000001+01:00"}"#,
            Value::DateTime(DateTime { iso: "2026-11-21T09:30:00.000001+01:00".into(), fold: false, zone: None }),
        ),
        (
            r#"{"$datetime":"2026-10-25T02:30:00","fold":1}"#,
            Value::DateTime(DateTime { iso: "2026-10-25T02:30:00".into(), fold: true, zone: None }),
        ),
        (r#"{"$time":"02:30:00","fold":1}"#, Value::Time(Time { iso: "02:30:00".into(), fold: true, zone: None })),
        (
            r#"{"$timedelta":[-1,86399,999999]}"#,
            Value::TimeDelta(TimeDelta { days: -1, seconds: 86_399, microseconds: 999_999 }),
        ),
        (r#"{"$handle":"s.1.2"}"#, Value::Handle(HandleRef("s.1.2".into()))),
    ]
}

#[test]
fn every_tag_is_read_and_written_as_the_table_says() {
    for (json, value) in table() {
        let json = json.replace("\\u0001", "\u{1}").replace('\u{1}', "\\u0001");
        assert_eq!(parse(&json), value, "{json}");
        assert_eq!(write(&value), json);
        if let (Value::Float(zero), Value::Float(read)) = (&value, parse(&json)) {
            assert_eq!(zero.is_sign_negative(), read.is_sign_negative(), "{json}");
        }
    }
    assert!(matches!(parse(r#"{"$float":"NaN"}"#), Value::Float(number) if number.is_nan()));
    assert_eq!(write(&Value::Float(f64::NAN)), r#"{"$float":"NaN"}"#);
}

#[test]
fn strings_with_lone_surrogates_survive() {
    let json = r#"{"$str":"YS3tsoA="}"#; // "a-\udc80"
    let value = parse(json);
    assert_eq!(write(&value), json);
    assert_eq!(value.to_string(), r"'a-\udc80'");
    let Value::SurrogateStr(text) = &value else { panic!("{value:?}") };
    assert_eq!((text.as_bytes(), text.to_string_lossy().as_str()), (&b"a-\xed\xb2\x80"[..], "a-\u{fffd}"));
    assert_eq!(parse(r#"{"$str":"YQ=="}"#), Value::from("a"), "without any it is a plain string");
    assert!(from_value::<String>(value.clone()).unwrap_err().to_string().contains("lone surrogates"));
    let json = write(&Value::Dict(vec![(value, Value::None)]));
    assert_eq!(json, r#"{"$dict":[[{"$str":"YS3tsoA="},null]]}"#);
}

#[test]
fn malformed_tags_are_refused_with_a_reason() {
    for (json, reason) in [
        (r#"{"$nope":1}"#, "no such tag"),
        (r#"{"a":1,"$tuple":[]}"#, "beside other keys"),
        (r#"{"$tuple":[],"a":1}"#, "beside the key `a`"),
        (r#"{"$tuple":[],"fold":1}"#, "`fold` and `zone` stand beside a datetime or a time only"),
        (r#"{"$time":"02:30:00","fold":2}"#, "`fold` cannot be 2"),
        (r#"{"$time":"02:30:00","fold":0,"fold":1}"#, "beside the key `fold`"),
        (r#"{"$tuple":{}}"#, "an array, not a value of type dict"),
        (r#"{"$tuple":{"$tuple":[]}}"#, "an array, not a value of type tuple"),
        (r#"{"$dict":[[1]]}"#, "a key and a value"),
        (r#"{"$dict":[[1,2,3]]}"#, "a key and a value"),
        (r#"{"$dict":{}}"#, "array of pairs"),
        (r#"{"$int":"12a"}"#, "no decimal integer"),
        (r#"{"$int":12}"#, "a string, not a value of type int"),
        (r#"{"$float":"nan"}"#, "NaN, Infinity or -Infinity"),
        (r#"{"$float":true}"#, "a number, not a value of type bool"),
        (r#"{"$bytes":"AP8"}"#, "padding"),
        (r#"{"$bytes":"%%%%"}"#, "Invalid"),
        (r#"{"$str":"/w=="}"#, "no UTF-8"),
        (r#"{"$complex":[1.0]}"#, "two numbers"),
        (r#"{"$complex":[1.0,"2"]}"#, "two numbers"),
        (r#"{"$decimal":"1 2"}"#, "no decimal number"),
        (r#"{"$date":"2026-1-21"}"#, "no date"),
        (r#"{"$datetime":"2026-11-21"}"#, "no date and time"),
        (r#"{"$time":"noon"}"#, "no time"),
        (r#"{"$timedelta":[0,86400,0]}"#, "normalised"),
        (r#"{"$timedelta":[1000000000,0,0]}"#, "normalised"),
        (r#"{"$timedelta":[0,0]}"#, "normalised"),
    ] {
        let error = serde_json::from_str::<Value>(json).expect_err(json).to_string();
        assert!(error.contains(reason), "{json}: {error}");
    }
}

#[test]
fn nesting_beyond_the_limit_is_an_error_both_ways() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert!(serde_json::from_str::<Value>(&deep).unwrap_err().to_string().contains("recursion limit"));
    let good = "[".repeat(120) + &"]".repeat(120);
    let value = parse(&good);
    assert_eq!(to_value(&value).unwrap(), value);
    assert_eq!(to_value(&[value]), Err(ValueError::TooDeep { limit: 120 }));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(f64),
    Segment(i32, i32),
    Box { width: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    #[serde(rename = "$handle")]
    handle: String,
    number: u64,
    float: f64,
    letter: char,
    missing: Option<i32>,
    unit: (),
    nested: HashMap<i64, Vec<Shape>>,
    value: Value,
    when: DateTime,
}

#[test]
fn rust_types_round_trip_through_values_and_through_json() {
    let everything = Everything {
        handle: "not one of ours".into(),
        number: u64::MAX,
        float: 2.0,
        letter: 'é',
        missing: None,
        unit: (),
        nested: HashMap::from([(
            -1,
            vec![Shape::Empty, Shape::Circle(1.0), Shape::Segment(1, 2), Shape::Box { width: 3 }],
        )]),
        value: Value::Tuple(vec![Value::Set(vec![Value::bytes([1])]), Value::BigInt(BigInt::from(u128::MAX))]),
        when: DateTime { iso: "2026-11-21T09:30:00".into(), fold: true, zone: None },
    };
    let value = to_value(&everything).unwrap();
    assert_eq!(value.get("value"), Some(&everything.value), "a value inside stays what it is");
    assert_eq!(from_value::<Everything>(value.clone()).unwrap(), everything);
    let json = write(&value);
    assert!(json.starts_with(r#"{"$dict":[["$handle","not one of ours"],"#), "{json}");
    assert_eq!(from_value::<Everything>(parse(&json)).unwrap(), everything);
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, ValueError> {
    from_value(parse(json))
}

#[test]
fn values_become_rust_types_where_nothing_is_lost() {
    assert_eq!(read::<(i64, String)>(r#"{"$tuple":[1,"a"]}"#).unwrap(), (1, "a".into()));
    assert_eq!(read::<Vec<u8>>(r#"{"$bytes":"AP8="}"#).unwrap(), [0, 255]);
    assert_eq!(read::<[u8; 2]>(r#"{"$bytearray":"AP8="}"#).unwrap(), [0, 255]);
    assert_eq!(read::<Vec<i64>>(r#"{"$set":[1]}"#).unwrap(), [1]);
    assert_eq!(read::<HashMap<i64, String>>(r#"{"$dict":[[1,"a"]]}"#).unwrap(), HashMap::from([(1, "a".into())]));
    assert_eq!(read::<Vec<(f64, i64)>>(r#"{"$dict":[[1.5,2]]}"#).unwrap(), [(1.5, 2)]);
    assert_eq!(read::<u64>(r#"{"$int":"18446744073709551615"}"#).unwrap(), u64::MAX);
    assert_eq!(read::<i128>(r#"{"$int":"-9223372036854775809"}"#).unwrap(), -9_223_372_036_854_775_809);
    assert_eq!(read::<i128>(r#"{"$int":"9223372036854775808"}"#).unwrap(), 9_223_372_036_854_775_808);
    assert_eq!(read::<u128>(&format!(r#"{{"$int":"{}"}}"#, u128::MAX)).unwrap(), u128::MAX);
    assert_eq!(read::<f64>(&format!(r#"{{"$int":"1{}"}}"#, "0".repeat(100))).unwrap(), 1e100);
    assert_eq!(read::<f64>("3").unwrap(), 3.0);
    assert!(read::<f64>(r#"{"$float":"NaN"}"#).unwrap().is_nan());
    assert_eq!(read::<Option<i64>>("null").unwrap(), None);
    assert_eq!(read::<Option<i64>>("1").unwrap(), Some(1));
    read::<()>("null").unwrap();
    assert_eq!(read::<String>(r#"{"$decimal":"1.10"}"#).unwrap(), "1.10");
    assert_eq!(read::<String>(r#"{"$datetime":"2026-11-21T09:30:00","fold":1}"#).unwrap(), "2026-11-21T09:30:00");
    assert_eq!(read::<(i64, u32, u32)>(r#"{"$timedelta":[-1,2,3]}"#).unwrap(), (-1, 2, 3));
    assert_eq!(
        read::<TimeDelta>(r#"{"$timedelta":[1,2,3]}"#).unwrap().to_duration().unwrap().as_micros(),
        86_402_000_003
    );
    assert_eq!(read::<(f64, f64)>(r#"{"$complex":[1.0,2.0]}"#).unwrap(), (1.0, 2.0));
    assert_eq!(read::<BigInt>("7").unwrap().digits(), "7");
    assert_eq!(read::<BTreeMap<String, Value>>(r#"{"a":{"$tuple":[]}}"#).unwrap()["a"], Value::Tuple(vec![]));
    assert_eq!(read::<serde_json::Value>(r#"{"a":{"$tuple":[1.0]}}"#).unwrap(), serde_json::json!({"a": [1.0]}));
}

#[test]
fn values_do_not_become_what_they_are_not() {
    for (result, reason) in [
        (read::<i64>("1.0").map(drop), "floating point `1.0`, expected i64"),
        (read::<u8>("256").map(drop), "256"),
        (read::<u8>("-1").map(drop), "-1"),
        (read::<u64>(&format!(r#"{{"$int":"{}"}}"#, "9".repeat(60))).map(drop), "an int of 60 digits"),
        (read::<String>("1").map(drop), "expected a string"),
        (read::<(i64, i64)>("[1]").map(drop), "length 1"),
        (read::<(i64, i64)>("[1,2,3]").map(drop), "length 3"),
        (read::<bool>("1").map(drop), "expected a boolean"),
        (read::<()>("1").map(drop), "expected unit"),
        (read::<i64>("null").map(drop), "expected i64"),
        (read::<Shape>("1").map(drop), "a Python int is no variant of Shape"),
        (read::<DateTime>("1").map(drop), "wanted a datetime.datetime, found int"),
    ] {
        let error = result.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error} / {reason}");
    }
}

#[test]
fn display_is_what_python_would_print() {
    for (json, shown) in [
        ("null", "None"),
        ("true", "True"),
        ("1e16", "1e+16"),
        ("1e-5", "1e-05"),
        ("1.5e-7", "1.5e-07"),
        ("123456789.0", "123456789.0"),
        ("0.0001", "0.0001"),
        (r#"{"$float":"-Infinity"}"#, "-inf"),
        (r#"{"$complex":[0.0,1.0]}"#, "1j"),
        (r#"{"$complex":[1.5,-2.0]}"#, "(1.5-2j)"),
        (r#"{"$complex":[-0.0,{"$float":"NaN"}]}"#, "(-0+nanj)"),
        (r#""it's""#, r#""it's""#),
        (r#""both ' and \" \n\u0000é""#, r#"'both \' and " \n\x00é'"#),
        (r#"{"$bytes":"AGEn"}"#, r#"b"\x00a'""#),
        (r#"{"$bytearray":"YQ=="}"#, "bytearray(b'a')"),
        (r#"{"$tuple":[1]}"#, "(1,)"),
        (r#"{"$tuple":[]}"#, "()"),
        (r#"{"$set":[]}"#, "set()"),
        (r#"{"$frozenset":[1]}"#, "frozenset({1})"),
        (r#"{"$dict":[[1,[]],[null,{}]]}"#, "{1: [], None: {}}"),
        (r#"{"$decimal":"1.10"}"#, "Decimal('1.10')"),
    ] {
        assert_eq!(parse(json).to_string(), shown);
    }
}

#[test]
fn the_plain_rendering_is_json_without_tags() {
    let value = parse(
        r#"{"a":{"$tuple":[{"$float":"NaN"},{"$int":"9223372036854775808"}]},"b":{"$dict":[[1,{"$bytes":"AA=="}]]}}"#,
    );
    assert_eq!(value.to_plain(), serde_json::json!({"a": ["NaN", "9223372036854775808"], "b": {"1": "AA=="}}));
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = || proptest::string::string_regex("[$a-cé\u{1F600}\"\\\\\u{0}]{0,6}").unwrap();
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i128>().prop_map(Value::from),
        // NaN equals nothing, itself included; it has a test of its own.
        any::<f64>().prop_filter("NaN", |number| !number.is_nan()).prop_map(Value::Float),
        Just(Value::Float(f64::INFINITY)),
        (-1e9..1e9, -1e9..1e9).prop_map(|(real, imaginary)| Value::Complex(real, imaginary)),
        text().prop_map(Value::Str),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(Value::ByteArray),
        (any::<i64>(), 0..9u32).prop_map(|(digits, scale)| Value::Decimal(format!("{digits}E-{scale}"))),
        (-999_999_999..=999_999_999, 0..86_400u32, 0..1_000_000u32)
            .prop_map(|(days, seconds, microseconds)| Value::TimeDelta(TimeDelta { days, seconds, microseconds })),
        (any::<bool>(), 0..24u32).prop_map(|(fold, hour)| Value::Time(Time {
            iso: format!("{hour:02}:00:00"),
            fold,
            zone: None
        })),
        text().prop_map(|id| Value::Handle(HandleRef(id))),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let items = || proptest::collection::vec(inner.clone(), 0..6);
        let pairs = proptest::collection::vec((inner.clone(), inner.clone()), 0..4);
        let text = proptest::string::string_regex("[$a-c]{0,3}").unwrap().prop_map(Value::Str);
        let named = proptest::collection::vec((text, inner.clone()), 0..4);
        prop_oneof![
            items().prop_map(Value::List),
            items().prop_map(Value::Tuple),
            items().prop_map(Value::Set),
            items().prop_map(Value::FrozenSet),
            pairs.prop_map(Value::Dict),
            named.prop_map(Value::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_survives_json(value in any_value()) {
        prop_assert_eq!(parse(&write(&value)), value);
    }

    #[test]
    fn any_value_survives_serde(value in any_value()) {
        prop_assert_eq!(&to_value(&value).unwrap(), &value);
        prop_assert_eq!(&from_value::<Value>(value.clone()).unwrap(), &value);
        let inside = from_value::<Vec<Value>>(Value::Tuple(vec![value.clone()])).unwrap();
        prop_assert_eq!(inside, [value]);
    }

    #[test]
    fn no_text_makes_the_reader_panic(json in r#"[\[\]{}",:$a-z0-9.\-]{0,40}"#) {
        let _ = serde_json::from_str::<Value>(&json);
    }
}
