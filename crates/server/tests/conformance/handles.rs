//! Objects that stay in their session.

use beep_python_client::{Args, ErrorCode, Handle, Locals, Returned, Value};
use beep_python_protocol::HandleRef;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    falsy_objects_are_held_like_any_other,
    handles_are_arguments_anywhere,
    unknown_handle_is_an_error_anywhere,
    a_users_own_dict_is_never_taken_for_a_handle,
    inexpressible_value_becomes_a_handle,
    dropped_handles_are_released,
    handles_from_before_a_restart_are_lost,
    ids_are_never_used_twice,
];

async fn falsy_objects_are_held_like_any_other(context: &TestContext) {
    let python = &context.python;
    for (code, kind) in [
        ("[]", "list"),
        ("{}", "dict"),
        ("''", "str"),
        ("0", "int"),
        ("0.0", "float"),
        ("False", "bool"),
        ("None", "NoneType"),
        ("()", "tuple"),
        ("set()", "set"),
        ("type('Falsy', (), {'__bool__': lambda self: False, 'real': 1})()", "__main__.Falsy"),
        ("type('Empty', (), {'__len__': lambda self: 0, 'real': 1})()", "__main__.Empty"),
        ("type('Torn', (), {'__bool__': lambda self: 1/0, '__eq__': None, 'real': 1})()", "__main__.Torn"),
    ] {
        let held: Handle = python.evaluate(code).await.expect(code);
        assert!(held.type_name().ends_with(kind.rsplit('.').next().expect("a name")), "{code}: {}", held.type_name());
        let same: bool = python
            .evaluate_with(
                "type(it).__name__ == kind and it is same",
                Locals::new().local("it", &held).local("same", &held).local("kind", kind.rsplit('.').next()),
            )
            .await
            .expect(code);
        assert!(same, "{code}");
        let size: i64 = python.call_method(&held, "__sizeof__", ()).await.expect(code);
        assert!(size > 0, "{code}");
        let class: Handle = python.get_attribute(&held, "__class__").await.expect(code);
        assert_eq!(class.type_name(), "type", "{code}");
        python.dispose_handle(held).await.expect(code);
    }
    let empty: Handle = python.evaluate("[]").await.expect("an empty list");
    assert_eq!(python.to_float_array(&empty).await.expect("no floats"), [0f32; 0]);
    assert_eq!(python.to_float_array_2d(&empty).await.expect("no rows"), [[0f32; 0]; 0]);
    python.call_method::<()>(&empty, "append", (1,)).await.expect("appended");
    assert_eq!(python.to_float_array(&empty).await.expect("floats"), [1.0]);
}

async fn handles_are_arguments_anywhere(context: &TestContext) {
    let python = &context.python;
    let it: Handle = python.evaluate("class It: pass\nit = It()\nit").await.expect("made");
    let inside = || {
        let pair = Value::Tuple(vec![(&it).into(), 1.into()]);
        let dict = Value::Dict(vec![("key".into(), Value::List(vec![(&it).into()])), (1.into(), (&it).into())]);
        Value::List(vec![pair, dict, Value::Set(vec![(&it).into()])])
    };
    let check = "deep[0][0] is it and deep[1]['key'][0] is it and deep[1][1] is it and deep[2] == {it}";
    assert!(python.evaluate_with::<bool>(check, Locals::new().local("deep", inside())).await.expect("locals"));
    python
        .evaluate::<()>(&format!("def check(deep, *, same): return same is it and {check}\nNone"))
        .await
        .expect("made");
    let main = python.import_module("__main__").await.expect("imported");
    let args = Args::new().arg(inside()).kwarg("same", &it);
    assert!(python.call_method::<bool>(&main, "check", args).await.expect("args and kwargs"));
    let args = Args::new().arg(inside()).kwarg("same", &it);
    let checked = python.create_object(&main, "check", args).await.expect("create");
    assert!(python.evaluate_with::<bool>("it", [("it", &checked)]).await.expect("asked"));
    python.set_attribute(&it, "deep", inside()).await.expect("value");
    assert!(python.evaluate::<bool>("check(it.deep, same=it)").await.expect("set"));
    let wrapped = python.wrap_value(inside()).await.expect("wrap");
    assert!(python.evaluate_with::<bool>("check(w, same=it)", [("w", &wrapped)]).await.expect("wrapped"));
    let module = python.evaluate_with::<bool>("m.check is check", [("m", &main)]).await.expect("a module's handle");
    assert!(module);
}

async fn unknown_handle_is_an_error_anywhere(context: &TestContext) {
    let python = &context.python;
    let unknown = || Value::Handle(HandleRef("no.such.handle".into()));
    let it: Handle = python.evaluate("kept = []\nkept").await.expect("made");
    let builtins = python.import_module("builtins").await.expect("imported");
    let failures = [
        python.evaluate_with::<()>("1", [("deep", vec![unknown()])]).await.err(),
        python.call_method::<()>(&it, "append", (unknown(),)).await.err(),
        python.call_method::<()>(&it, "sort", Args::new().kwarg("key", unknown())).await.err(),
        python.create_object(&builtins, "list", (vec![unknown()],)).await.err(),
        python.set_attribute(&it, "x", unknown()).await.err(),
        python.wrap_value(vec![unknown()]).await.err(),
    ];
    for (at, failure) in failures.into_iter().enumerate() {
        let failure = failure.unwrap_or_else(|| panic!("{at} was taken"));
        assert_eq!(failure.code(), Some(ErrorCode::UnknownHandle), "{at}: {failure}");
        assert!(failure.to_string().contains("no.such.handle"), "{failure}");
    }
    assert_eq!(python.evaluate::<i64>("len(kept)").await.expect("nothing was done"), 0);
}

async fn a_users_own_dict_is_never_taken_for_a_handle(context: &TestContext) {
    let python = &context.python;
    let it: Handle = python.evaluate("object()").await.expect("held");
    for pairs in [
        vec![("$handle", it.id())],
        vec![("handleId", it.id()), ("typeName", "object"), ("isValid", "True")],
        vec![("handleId", it.id()), ("moduleName", "json")],
        vec![("isHandle", "True"), ("handleId", it.id())],
        vec![("$tuple", "x"), ("plain", "y")],
    ] {
        let own: Value = pairs.iter().copied().collect();
        let there = python.evaluate_with::<Value>("own", [("own", &own)]).await.expect("returned");
        assert_eq!(there, own);
        assert_eq!(python.evaluate_with::<String>("type(own).__name__", [("own", &own)]).await.expect("asked"), "dict");
        let code = format!("dict({pairs:?})");
        let made: Value = python.evaluate(&code).await.expect(&code);
        assert_eq!(made, own, "{code}");
    }
}

async fn inexpressible_value_becomes_a_handle(context: &TestContext) {
    let python = &context.python;
    python.evaluate::<()>("import collections, enum, datetime\nclass Number(int): pass").await.expect("defined");
    for code in [
        "object()",
        "lambda: 0",
        "iter([])",
        "[1, [2, Number]]",
        "{'deep': (1, {object()})}",
        "enum.Enum('Colour', 'RED')",
        "type(None)",
        "x = []\nx.append(x)\nx",
    ] {
        let returned: Returned = python.with_reprs().evaluate(code).await.expect(code);
        let Returned::Handle(handle) = returned else { panic!("{code}: {returned:?}") };
        assert!(!handle.type_name().is_empty() && handle.repr().is_some(), "{code}: {handle:?}");
        let wrong = python.evaluate::<Value>(code).await.expect_err(code);
        assert!(wrong.to_string().contains("no form in JSON"), "{wrong}");
    }
    let python = &python.with_reprs();
    let no_repr: Handle = python.evaluate("class Bad:\n    def __repr__(self): 1/0\nBad()").await.expect("held");
    let told = (no_repr.repr(), no_repr.type_name());
    assert_eq!(told, (Some("<__main__.Bad, whose __repr__ raised ZeroDivisionError>"), "Bad"));
    let long: Handle = python.evaluate("[object()] * 10_000").await.expect("held");
    assert!(long.repr().expect("a repr").len() < 5_000);
    let described: Handle =
        python.evaluate("class Array:\n    shape = (2, 3)\n    dtype = 'float32'\nArray()").await.expect("held");
    assert_eq!((described.shape(), described.dtype()), (Some(&[2, 3][..]), Some("float32")));
}

async fn dropped_handles_are_released(context: &TestContext) {
    let python = &context.python;
    python.evaluate::<()>("import weakref\nclass Kept: pass\nalive = weakref.WeakSet()").await.expect("defined");
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(python.evaluate::<Handle>("k = Kept()\nalive.add(k)\nk").await.expect("held"));
    }
    python.evaluate::<()>("del k").await.expect("unbound");
    let clone = held[3].clone();
    held.truncate(1);
    python.release_dropped().await;
    let alive = "import gc\ngc.collect()\nlen(alive)";
    assert_eq!(python.evaluate::<i64>(alive).await.expect("counted"), 2, "a clone is a holder");
    drop((held, clone));
    python.release_dropped().await;
    assert_eq!(python.evaluate::<i64>(alive).await.expect("counted"), 0);
}

async fn handles_from_before_a_restart_are_lost(context: &TestContext) {
    let python = &context.python;
    let held: Handle = python.evaluate("[]").await.expect("held");
    python.evaluate::<()>("import os; os._exit(0)").await.expect_err("the worker ends");
    let lost = python.call_method::<()>(&held, "append", (1,)).await.expect_err("lost");
    assert_eq!(lost.code(), Some(ErrorCode::HandleLost), "{lost}");
    let lost = python.evaluate_with::<()>("it", [("it", &held)]).await.expect_err("lost");
    assert_eq!(lost.code(), Some(ErrorCode::HandleLost), "{lost}");
    let after: Handle = python.evaluate("[]").await.expect("held");
    assert_ne!(after.id(), held.id());
}

async fn ids_are_never_used_twice(context: &TestContext) {
    let python = &context.python;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        for _ in 0..5 {
            let held: Handle = python.evaluate("object()").await.expect("held");
            assert!(seen.insert(held.id().to_owned()), "{} again", held.id());
            python.dispose_handle(held).await.expect("disposed");
        }
        python.evaluate::<()>("import os; os._exit(0)").await.expect_err("the worker ends");
    }
}
