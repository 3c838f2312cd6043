//! Every operation, and what it gives.

use beep_python_client::{Args, ErrorCode, Handle, Locals, Response, Returned, Value};

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    health_answers,
    evaluate_takes_expressions_statements_and_nothing,
    locals_are_for_one_call_and_leave_nothing,
    code_may_be_indented_and_may_await,
    output_comes_with_the_answer,
    streams_outlive_what_code_does_to_them,
    streams_that_raise_end_no_session,
    modules_are_imported_once_and_bind_their_root,
    objects_are_made_called_and_asked,
    names_may_be_dotted,
    attributes_are_set_and_read,
    float_arrays_are_32_bit,
    rows_of_floats,
    availability_is_told_without_importing,
    values_are_wrapped_and_disposed_of,
    sessions_are_apart,
];

async fn health_answers(context: &TestContext) {
    let health = context.python.health().await.expect("there");
    assert_eq!(health.status, "ok");
    let (major, minor) = context.version;
    let version = health.details["python"].as_str().expect("a version");
    assert!(version.starts_with(&format!("{major}.{minor}.")), "{version}");
}

async fn evaluate_takes_expressions_statements_and_nothing(context: &TestContext) {
    let python = &context.python;
    assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("an expression"), 2);
    assert_eq!(python.evaluate::<i64>("a = 20\nb = 1\na * 2 + b + b").await.expect("statements"), 42);
    assert_eq!(python.evaluate::<i64>("a").await.expect("names persist"), 20);
    for nothing in ["", "   ", "# no more than a comment", "c = 1", "for n in range(3): pass", "None"] {
        assert_eq!(python.evaluate::<Value>(nothing).await.expect(nothing), Value::None, "{nothing:?}");
    }
    let block = "def double(n):\n    return 2 * n\n\nif True:\n    x = double(4)\nx";
    assert_eq!(python.evaluate::<i64>(block).await.expect("a block"), 8);
    assert_eq!(python.evaluate::<String>("__name__").await.expect("a module"), "__main__");
    assert!(python.evaluate::<bool>("import sys; sys.modules['__main__'].__dict__ is globals()").await.expect("real"));
}

async fn locals_are_for_one_call_and_leave_nothing(context: &TestContext) {
    let python = &context.python;
    python.evaluate::<()>("kept = 1\ndef of_the_session(): return kept").await.expect("defined");
    let locals = || Locals::new().local("kept", 5).local("näme", "é");
    let seen: Vec<i64> = python
        .evaluate_with("new = 7\n[kept + n for n in range(2)] + [(lambda: kept)()]", locals())
        .await
        .expect("run");
    assert_eq!(seen, [5, 6, 5], "in comprehensions and functions too");
    assert_eq!(python.evaluate_with::<i64>("of_the_session()", locals()).await.expect("run"), 1);
    assert_eq!(python.evaluate_with::<String>("näme", locals()).await.expect("run"), "é");
    assert_eq!(
        python.evaluate::<Vec<bool>>("['new' in globals(), 'näme' in globals()]").await.expect("run"),
        [false; 2]
    );
    assert_eq!(python.evaluate::<i64>("kept").await.expect("run"), 1);
    python.evaluate_with::<()>("bound = 3", ()).await.expect("run");
    assert_eq!(python.evaluate::<i64>("bound").await.expect("without locals names persist"), 3);
}

async fn code_may_be_indented_and_may_await(context: &TestContext) {
    let python = &context.python;
    let indented =
        "\n        text = '''\n        kept'''\n        if text:\n            text = text.strip()\n        text\n    ";
    assert_eq!(python.evaluate::<String>(indented).await.expect("indented"), "kept");
    let waits = "import asyncio\nasync def later(n):\n    await asyncio.sleep(0)\n    return n\nawait later(1) + await later(2)";
    assert_eq!(python.evaluate::<i64>(waits).await.expect("awaited"), 3);
    let background = "task = asyncio.ensure_future(later(5))\nNone";
    python.evaluate::<()>(background).await.expect("begun");
    assert_eq!(python.evaluate::<i64>("await task").await.expect("one loop for the session"), 5);
}

async fn output_comes_with_the_answer(context: &TestContext) {
    let python = &context.python;
    let code = "import os, sys\nprint('out ä')\nprint('err', file=sys.stderr)\nos.write(1, b'raw\\n')\nos.system('echo child')\n7";
    let answer: Response<i64> = python.evaluate(code).await.expect("answered");
    let expected = Response {
        value: 7,
        stdout: "out ä\nraw\nchild\n".into(),
        stderr: "err\n".into(),
        omitted_output_bytes: 0,
        session_epoch: Some(1),
    };
    assert_eq!(answer, expected);
    let silent: Response<i64> = python.evaluate("8").await.expect("answered");
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""), "none of it comes twice");
    let failed = python.evaluate::<()>("print('before'); 1/0").await.expect_err("raises");
    assert_eq!(failed.output(), Some(("before\n", "")));
    let bytes: Response<()> = python.evaluate("os.write(1, b'a\\xff\\xfeb\\x00'); None").await.expect("answered");
    assert_eq!(bytes.stdout, "a\u{fffd}\u{fffd}b\0", "whatever is written, text comes");
}

async fn streams_outlive_what_code_does_to_them(context: &TestContext) {
    let (python, other) = (&context.python, context.companion());
    python.evaluate::<()>("import io, os, sys, tempfile\nkept = None").await.expect("imported");
    for code in [
        "exit()",
        "quit()",
        "sys.stdin.close()",
        "sys.stdout.close(); sys.stderr.close()",
        "sys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer)",
        "sys.stdout.detach()",
        "sys.stdout = sys.__stderr__ = None; del sys.stderr",
        "with open(1, 'w'): pass",
        "open(0).read()",
        "kept = [os.close(fd) for fd in range(3)]",
        "os.close(1)\nkept = tempfile.TemporaryFile()",
        "kept = tempfile.TemporaryFile()\nos.dup2(kept.fileno(), 1)\nos.dup2(kept.fileno(), 2)",
    ] {
        let _ = other.evaluate::<()>(&format!("{code}\nNone")).await; // it may raise, as in any Python
        let checks = "print('out')\nprint('err', file=sys.stderr)\nos.system('echo child')\nsys.stdin.read()";
        let answer: Response<String> =
            python.evaluate(checks).await.unwrap_or_else(|error| panic!("{code}: {error:?}"));
        let seen = (answer.value.as_str(), answer.stdout.as_str(), answer.stderr.as_str(), answer.session_epoch);
        assert_eq!(seen, ("", "out\nchild\n", "err\n", Some(1)), "{code}");
        python.evaluate::<()>("kept = None").await.expect("freed, and with it what has a descriptor of the three");
    }
}

async fn streams_that_raise_end_no_session(context: &TestContext) {
    let python = &context.python;
    let code = "import sys\nclass Stream:\n    def write(self, text): return len(text)\n    def flush(self): raise raised\nkept = 7";
    python.evaluate::<()>(code).await.expect("defined");
    for raised in ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "ValueError()"] {
        let replace = format!("raised = {raised}\nsys.stdout = sys.stderr = Stream()");
        python.evaluate::<()>(&replace).await.unwrap_or_else(|error| panic!("{raised}: {error:?}"));
        for _ in 0..3 {
            let answer: Response<i64> =
                python.evaluate("kept").await.unwrap_or_else(|error| panic!("{raised}: {error:?}"));
            assert_eq!((answer.value, answer.session_epoch), (7, Some(1)), "{raised}");
        }
    }
}

async fn modules_are_imported_once_and_bind_their_root(context: &TestContext) {
    let python = &context.python;
    let path = python.import_module("os.path").await.expect("imported");
    assert_eq!(path.type_name(), "module");
    assert_eq!(python.call_method::<String>(&path, "join", ("a", "b")).await.expect("called"), "a/b");
    assert_eq!(python.evaluate::<String>("os.path.sep").await.expect("the root is bound"), "/");
    let again = context.companion().import_module("os.path").await.expect("imported");
    assert_eq!(again.id(), path.id(), "one handle for each module");
    python.dispose_handle(again).await.expect("nothing to do");
    assert_eq!(python.call_method::<String>(&path, "basename", ("a/b",)).await.expect("still there"), "b");
    let missing = python.import_module("no_such_module_anywhere").await.expect_err("missing");
    assert_eq!(missing.exception().map(|e| e.kind.as_str()), Some("ModuleNotFoundError"));
}

async fn objects_are_made_called_and_asked(context: &TestContext) {
    let python = &context.python;
    let fractions = python.import_module("fractions").await.expect("imported");
    let made = python.create_object(&fractions, "Fraction", (3, 4)).await.expect("made");
    assert_eq!((made.type_name(), made.type_module()), ("Fraction", Some("fractions")));
    assert_eq!(python.get_attribute::<i64>(&made, "numerator").await.expect("read"), 3);
    let args = Args::new().kwarg("max_denominator", 2);
    let limited: Handle = python.with_reprs().call_method(&made, "limit_denominator", args).await.expect("called");
    assert_eq!(limited.to_string(), "Fraction(1, 1)");
    // Any callable makes an object, and what it makes is held, whatever it is.
    let builtins = python.import_module("builtins").await.expect("imported");
    for (callable, args, kind) in [("sorted", Args::from((vec![2, 1],)), "list"), ("int", ("7",).into(), "int")] {
        assert_eq!(python.create_object(&builtins, callable, args).await.expect(callable).type_name(), kind);
    }
    let none = python.call_method::<Option<i64>>(&builtins, "print", ("text",)).await.expect("called");
    assert_eq!(none, None);
    let value: Returned = python.call_method(&builtins, "abs", (-3,)).await.expect("called");
    assert!(matches!(value, Returned::Value(Value::Int(3))), "{value:?}");
    let object: Returned = python.call_method(&builtins, "object", ()).await.expect("called");
    assert!(matches!(object, Returned::Handle(_)), "{object:?}");
    let bad = python.create_object(&fractions, "Fraction", (1, 0)).await.expect_err("raises");
    assert_eq!(bad.exception().map(|e| e.kind.as_str()), Some("ZeroDivisionError"));
    let missing = python.get_attribute::<i64>(&made, "nothing").await.expect_err("missing");
    assert_eq!(missing.exception().map(|e| e.kind.as_str()), Some("AttributeError"));
}

async fn names_may_be_dotted(context: &TestContext) {
    let python = &context.python;
    let os = python.import_module("os").await.expect("imported");
    assert_eq!(python.call_method::<String>(&os, "path.join", ("a", "b")).await.expect("called"), "a/b");
    assert_eq!(python.get_attribute::<String>(&os, "path.sep").await.expect("read"), "/");
    let xml = python.import_module("xml.dom.minidom").await.expect("imported");
    assert_eq!(python.create_object(&xml, "Document", ()).await.expect("made").type_module(), Some("xml.dom.minidom"));
    python.evaluate::<()>("class Outer:\n    class Inner:\n        pass").await.expect("defined");
    let main = python.import_module("__main__").await.expect("imported");
    let inner = python.create_object(&main, "Outer.Inner", ()).await.expect("made");
    assert_eq!((inner.type_name(), inner.type_module()), ("Inner", Some("__main__")));
}

async fn attributes_are_set_and_read(context: &TestContext) {
    let python = &context.python;
    let owner: Handle = python.evaluate("class Owner: pass\nOwner()").await.expect("made");
    python.set_attribute(&owner, "name", vec!["a", "b"]).await.expect("set");
    assert_eq!(python.get_attribute::<Vec<String>>(&owner, "name").await.expect("read"), ["a", "b"]);
    python.set_attribute(&owner, "name", Value::None).await.expect("set");
    assert_eq!(python.get_attribute::<Value>(&owner, "name").await.expect("read"), Value::None);
    python.set_attribute(&owner, "itself", &owner).await.expect("set");
    let same: Handle = python.get_attribute(&owner, "itself").await.expect("read");
    python.set_attribute(&same, "name", 1).await.expect("set");
    assert_eq!(python.get_attribute::<i64>(&owner, "itself.itself.name").await.expect("read"), 1);
    let frozen: Handle = python.evaluate("object()").await.expect("made");
    let refused = python.set_attribute(&frozen, "name", 1).await.expect_err("frozen");
    assert_eq!(refused.exception().map(|e| e.kind.as_str()), Some("AttributeError"));
}

async fn float_arrays_are_32_bit(context: &TestContext) {
    let python = &context.python;
    for (code, expected) in [
        ("[1.5, -0.25, 1e30, 0.1]", vec![1.5, -0.25, 1e30, 0.1]),
        ("(1, True, 2**53)", vec![1.0, 1.0, 2f32.powi(53)]),
        ("[]", vec![]),
        ("range(3)", vec![0.0, 1.0, 2.0]),
        ("[[1, 2], [3]]", vec![1.0, 2.0, 3.0]),
        ("memoryview(bytes([1, 2, 3, 4])).cast('B', (2, 2))", vec![1.0, 2.0, 3.0, 4.0]),
        ("[float('inf'), -float('inf'), 1e300]", vec![f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY]),
        ("__import__('array').array('d', [0.5, 1e-50])", vec![0.5, 0.0]),
        ("__import__('array').array('b', [-1, 1])", vec![-1.0, 1.0]),
        ("memoryview(b'\\x01\\xff')", vec![1.0, 255.0]),
    ] {
        let held: Handle = python.evaluate(code).await.expect(code);
        assert_eq!(python.to_float_array(&held).await.expect(code), expected, "{code}");
    }
    let nan: Handle = python.evaluate("[float('nan'), 1]").await.expect("held");
    let nan = python.to_float_array(&nan).await.expect("floats");
    assert!(nan[0].is_nan() && nan[1] == 1.0, "{nan:?}");
    let many: Handle = python.evaluate("[0.5] * 300_000").await.expect("held");
    assert_eq!(python.to_float_array(&many).await.expect("floats"), vec![0.5; 300_000]);
    for wrong in ["'text'", "5", "{1: 2}", "['x']", "[[1], ['2']]", "object()"] {
        let held: Handle = python.evaluate(wrong).await.expect(wrong);
        let told = python.to_float_array(&held).await.expect_err(wrong);
        assert_eq!(told.code(), Some(ErrorCode::NotRepresentable), "{wrong}: {told}");
    }
}

async fn rows_of_floats(context: &TestContext) {
    let python = &context.python;
    for (code, expected) in [
        ("[[1, 2.5], [3, 4]]", vec![vec![1.0, 2.5], vec![3.0, 4.0]]),
        ("[[1, 2], [], [3]]", vec![vec![1.0, 2.0], vec![], vec![3.0]]),
        ("[]", vec![]),
        ("([1],)", vec![vec![1.0]]),
        ("memoryview(bytes(range(6))).cast('B', (2, 3))", vec![vec![0.0, 1.0, 2.0], vec![3.0, 4.0, 5.0]]),
    ] {
        let held: Handle = python.evaluate(code).await.expect(code);
        assert_eq!(python.to_float_array_2d(&held).await.expect(code), expected, "{code}");
    }
    for (code, shape) in [("[1, 2]", "(2,)"), ("[[[1, 2]], [[3, 4]]]", "(2, 1, 2)")] {
        let held: Handle = python.evaluate(code).await.expect("held");
        let told = python.to_float_array_2d(&held).await.expect_err("not two dimensions");
        assert_eq!(told.code(), Some(ErrorCode::NotRepresentable), "{told}");
        assert!(told.to_string().contains(shape), "{told}");
    }
}

async fn availability_is_told_without_importing(context: &TestContext) {
    let python = &context.python;
    for (module, available) in
        [("json", true), ("json.decoder", true), ("no_such_module", false), ("json.nothing", false)]
    {
        assert_eq!(python.is_module_available(module).await.expect(module), available, "{module}");
    }
    assert!(python.is_module_available("colorsys").await.expect("known"));
    assert!(!python.evaluate::<bool>("import sys; 'colorsys' in sys.modules").await.expect("looked"));
}

async fn values_are_wrapped_and_disposed_of(context: &TestContext) {
    let python = &context.python;
    let wrapped = python.wrap_value(vec![3, 1, 2]).await.expect("wrapped");
    assert_eq!(wrapped.type_name(), "list");
    python.call_method::<()>(&wrapped, "sort", ()).await.expect("sorted");
    assert_eq!(python.evaluate_with::<Vec<i64>>("it", [("it", &wrapped)]).await.expect("read"), [1, 2, 3]);
    python.dispose_handle(wrapped.clone()).await.expect("disposed");
    let gone = python.call_method::<()>(&wrapped, "sort", ()).await.expect_err("gone");
    assert_eq!(gone.code(), Some(ErrorCode::UnknownHandle));
    let none = python.wrap_value(()).await.expect("wrapped");
    assert_eq!(none.type_name(), "NoneType");
    assert!(python.evaluate_with::<bool>("it is None", [("it", &none)]).await.expect("read"));
}

async fn sessions_are_apart(context: &TestContext) {
    let python = &context.python;
    let other = context.stranger();
    let id = other.create_session().await.expect("a session");
    let there = other.with_session(&id);
    python.evaluate::<()>("mine = 1").await.expect("done");
    assert!(!there.evaluate::<bool>("'mine' in globals()").await.expect("looked"));
    let held: Handle = python.evaluate("[1]").await.expect("held");
    let foreign = there.evaluate_with::<Value>("it", [("it", &held)]).await.expect_err("of another session");
    assert!(matches!(foreign.code(), Some(ErrorCode::UnknownHandle | ErrorCode::HandleLost)), "{foreign}");
    let list = other.list_sessions().await.expect("a list");
    let pids: Vec<_> =
        list.iter().filter(|s| [&id, &context.session].contains(&&s.session_id)).map(|s| s.pid).collect();
    assert!(pids.len() == 2 && pids[0] != pids[1], "each in a process of its own: {list:?}");
    other.delete_session(&id).await.expect("ended");
    assert_eq!(there.evaluate::<()>("1").await.expect_err("gone").code(), Some(ErrorCode::UnknownSession));
    assert_eq!(other.delete_session(&id).await.expect_err("gone").code(), Some(ErrorCode::UnknownSession));
}
