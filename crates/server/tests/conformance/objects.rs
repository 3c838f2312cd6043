//! Objects without code: their items, themselves as callables, what is known of them; and batches.

use beep_python_client::{Batch, Error, ErrorCode, Handle, Key, Returned, Value};
use serde_json::json;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    items_are_read_set_and_deleted,
    objects_are_called_awaited_and_described,
    a_batch_runs_its_steps_in_order,
    a_batch_says_what_failed_and_leaves_no_handle,
];

async fn items_are_read_set_and_deleted(context: &TestContext) {
    let python = &context.python;
    let map: Handle = python.evaluate("{'a': 1, (1, 2): 'pair'}").await.expect("held");
    assert_eq!(python.get_item::<i64>(&map, "a").await.expect("read"), 1);
    let pair = Key::tuple([1.into(), 2.into()]);
    assert_eq!(python.get_item::<String>(&map, pair.clone()).await.expect("read"), "pair");
    python.set_item(&map, "b", vec![1, 2]).await.expect("set");
    assert_eq!(python.get_item::<Vec<i64>>(&map, "b").await.expect("read"), [1, 2]);
    python.delete_item(&map, pair).await.expect("deleted");
    assert_eq!(python.length(&map).await.expect("asked"), 2);
    assert!(python.contains(&map, "b").await.expect("asked") && !python.contains(&map, 5).await.expect("asked"));
    let missing = python.get_item::<Value>(&map, "none").await.expect_err("no such key");
    assert_eq!(missing.exception().map(|error| error.kind.as_str()), Some("KeyError"));
    let list: Handle = python.evaluate("list(range(10))").await.expect("held");
    assert_eq!(python.get_item::<Vec<i64>>(&list, Key::slice(1, 8, 3)).await.expect("read"), [1, 4, 7]);
    assert_eq!(python.get_item::<Vec<i64>>(&list, Key::slice(8, None, None)).await.expect("read"), [8, 9]);
    let keys: Handle = python.evaluate("class K:\n    def __getitem__(s, k): return repr(k)\nK()").await.expect("held");
    let key = Key::tuple([Key::ellipsis(), Key::slice(1, 2, None), 0.into()]);
    assert_eq!(python.get_item::<String>(&keys, key).await.expect("read"), "(Ellipsis, slice(1, 2, None), 0)");
}

async fn objects_are_called_awaited_and_described(context: &TestContext) {
    let python = &context.python;
    let code = "class Adder:\n    def __init__(self, n): self.n = n\n    def __call__(self, m: int, *, k: int = 0) -> int:\n        \
                'Adds.'\n        return self.n + m + k\nAdder";
    let class: Handle = python.evaluate(code).await.expect("held");
    let adder: Handle = python.call_object(&class, (1,)).await.expect("made");
    let args = beep_python_client::Args::new().arg(2).kwarg("k", 3);
    assert_eq!(python.call_object::<i64>(&adder, args).await.expect("called"), 6);
    let described = python.describe(&adder).await.expect("described");
    assert_eq!((&described["typeName"], &described["callable"]), (&json!("Adder"), &json!(true)));
    assert_eq!(described["parameters"]["required"], json!(["m"]));
    assert_eq!(described["parameters"]["properties"]["k"], json!({"type": "integer", "default": 0}));
    assert!(python.attribute_names(&adder).await.expect("named").contains(&"n".to_owned()));
    let later: Handle = python.evaluate("async def later(): return [1]\nlater()").await.expect("held");
    assert_eq!(python.await_object::<Vec<i64>>(&later).await.expect("awaited"), [1]);
    let set: Handle = python.evaluate("{1}").await.expect("held");
    assert_eq!(python.value::<Value>(&set).await.expect("read"), Value::Set(vec![1.into()]));
    let refused = python.value::<Value>(&class).await.expect_err("no value");
    assert_eq!(refused.code(), Some(ErrorCode::NotRepresentable), "{refused}");
}

async fn a_batch_runs_its_steps_in_order(context: &TestContext) {
    let python = &context.python;
    let before = python.list_handles(&context.session).await.expect("a list").len();
    let mut batch = Batch::new();
    let words = batch.evaluate("'the cat and the hat'.split()");
    let module = batch.import_module("collections");
    let counter = batch.create_object(module, "Counter", (words,));
    let top = batch.call_method(counter, "most_common", (1,));
    let length = batch.length(counter);
    let sum = batch.evaluate_with("n + c['cat']", [("n", length), ("c", counter)]);
    let results = python.run_batch(&batch).await.expect("ran");
    assert_eq!(results.len(), 6);
    assert_eq!(results.get::<Vec<(String, i64)>>(top).expect("a value"), [("the".to_owned(), 2)]);
    assert_eq!(results.get::<i64>(length).expect("a value"), 4);
    assert_eq!(results.get::<i64>(sum).expect("a value"), 5);
    assert_eq!(python.list_handles(&context.session).await.expect("a list").len(), before + 1, "the module's alone");
    let mut batch = Batch::new();
    let list = batch.evaluate("[1]");
    batch.call_method(list, "append", (2,));
    batch.keep(list);
    let results = python.run_batch(&batch).await.expect("ran");
    let list: Handle = results.get(list).expect("kept");
    drop(results);
    assert_eq!(python.value::<Vec<i64>>(&list).await.expect("read"), [1, 2]);
    // An object that nothing refers to is a result as of any call.
    let mut batch = Batch::new();
    let object = batch.evaluate("object()");
    let results = python.run_batch(&batch).await.expect("ran");
    assert!(matches!(results.get::<Returned>(object).expect("held"), Returned::Handle(_)));
}

async fn a_batch_says_what_failed_and_leaves_no_handle(context: &TestContext) {
    let python = &context.python;
    let held = async || python.list_handles(&context.session).await.expect("a list").len();
    let before = held().await;
    let mut batch = Batch::new();
    let fails = batch.evaluate("1/0");
    let depends = batch.length(fails);
    let other = batch.evaluate("1");
    let stopped = python.run_batch(&batch).await.expect("ran");
    let raised = stopped.get::<i64>(fails).expect_err("raised");
    assert_eq!(raised.exception().map(|error| error.kind.as_str()), Some("ZeroDivisionError"));
    assert!(matches!(stopped.get::<i64>(other), Err(Error::Host(_))));
    batch.continue_on_error();
    let went_on = python.run_batch(&batch).await.expect("ran");
    assert_eq!(went_on.get::<i64>(other).expect("a value"), 1);
    assert!(went_on.get::<i64>(depends).is_err());
    let mut endless = Batch::new();
    endless.evaluate("object()");
    endless.evaluate("1 + 1");
    endless.evaluate("while True: pass");
    let call = python.with_timeout(std::time::Duration::from_millis(300));
    let told = call.run_batch(&endless).await.expect_err("the deadline passes");
    assert_eq!(told.code(), Some(ErrorCode::DeadlineExceeded), "{told}");
    let Error::Host(problem) = told else { panic!("{told}") };
    let results = problem.results.expect("what was done");
    assert_eq!((results.as_array().map(Vec::len), &results[1]), (Some(2), &json!({"value": 2})));
    assert_eq!(held().await, before);
}
