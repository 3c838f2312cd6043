//! What numpy and pandas return, where `BEEP_PYTHON_TEST_PACKAGES` has them: a folder with one of each Python's version, `3.13`,
//! into which `pip install --target` has put them.

use std::path::PathBuf;

use beep_python_client::{Handle, Returned, Value};
use serde_json::json;

use crate::existing_client::Existing;
use crate::test_context::{Case, TestContext, Transport, cases};

pub const CASES: &[Case] = cases![
    results_arrive_as_what_they_are,
    arrays_and_tables_are_values_where_one_is_asked_for,
    float_arrays_have_nan_for_what_is_missing,
];

/// Over HTTP, over the pipe, and over the JSON side of RPC.
pub const EXISTING_CASES: &[Case] = cases![over Transport::WIRES; existing_clients_get_what_they_ask_for];

/// Imports numpy and pandas in the session; false, and a line that says so, where they are not there.
pub async fn has_packages(context: &TestContext) -> bool {
    let (major, minor) = context.version;
    let folder = std::env::var_os("BEEP_PYTHON_TEST_PACKAGES").map(PathBuf::from);
    let folder = folder.map(|folder| folder.join(format!("{major}.{minor}"))).filter(|folder| folder.is_dir());
    let Some(folder) = folder else {
        eprintln!("skipped: BEEP_PYTHON_TEST_PACKAGES has no numpy and pandas for Python {major}.{minor}");
        return false;
    };
    let code = "import sys\nsys.path.insert(0, folder)\nimport numpy, pandas";
    context.python.evaluate_with::<()>(code, [("folder", folder.to_str())]).await.expect("they are imported");
    let code = "import numpy as np, pandas as pd\nx = np.arange(4.0)\ns = pd.Series([1.5, None], index=['a', 'b'])\n\
                d = pd.DataFrame({'n': [1, 2], 't': pd.to_datetime(['2026-01-02', None])})";
    context.python.evaluate::<()>(code).await.expect("they work");
    true
}

async fn results_arrive_as_what_they_are(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    assert_eq!(python.evaluate::<f64>("np.mean(x)").await.expect("a float"), 1.5);
    assert_eq!(python.evaluate::<i64>("np.int64(3)").await.expect("an int"), 3);
    assert!(python.evaluate::<bool>("np.bool_(True)").await.expect("a bool"));
    for (code, wanted) in [
        ("[x, {'m': np.ma.array([1, 2], mask=[False, True])}]", json!([[0.0, 1.0, 2.0, 3.0], {"m": [1, null]}])),
        ("[np.datetime64('2026-01-02'), pd.NaT, pd.NA]", json!(["2026-01-02", null, null])),
        ("[pd.Timestamp('2026-01-02'), np.float32(0.5)]", json!(["2026-01-02T00:00:00", 0.5])),
        ("[s, d]", json!([[1.5, null], [{"n": 1, "t": "2026-01-02T00:00:00"}, {"n": 2, "t": null}]])),
        ("{np.int64(1): np.str_('a')}", json!({"1": "a"})),
    ] {
        let value: Value = python.evaluate(code).await.expect(code);
        assert_eq!(value.to_plain(), wanted, "{code}");
    }
    for (code, name) in [("x", "ndarray"), ("s", "Series"), ("d", "DataFrame")] {
        let Returned::Handle(held) = python.evaluate(code).await.expect(code) else { panic!("{code} is a value") };
        assert_eq!(held.type_name(), name);
    }
}

async fn arrays_and_tables_are_values_where_one_is_asked_for(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    assert_eq!(python.evaluate::<Vec<f64>>("x").await.expect("floats"), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(python.evaluate::<Vec<Option<f64>>>("s").await.expect("floats"), [Some(1.5), None]);
    assert_eq!(python.evaluate::<Vec<Vec<f64>>>("x.reshape(2, 2)").await.expect("rows"), [[0.0, 1.0], [2.0, 3.0]]);
    let records: Vec<std::collections::BTreeMap<String, Value>> = python.evaluate("d").await.expect("records");
    assert_eq!((records.len(), &records[0]["n"]), (2, &Value::Int(1)));
    let held: Handle = python.evaluate("s").await.expect("held");
    assert_eq!(python.get_item::<f64>(&held, "a").await.expect("an item"), 1.5);
}

async fn float_arrays_have_nan_for_what_is_missing(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    for code in
        ["s", "pd.array([1.5, None], dtype='Float64')", "np.ma.array([1.5, 7], mask=[False, True])", "[1.5, pd.NA]"]
    {
        let held: Handle = python.evaluate(code).await.expect(code);
        let floats = python.to_float_array(&held).await.expect(code);
        assert!(floats[0] == 1.5 && floats[1].is_nan(), "{code}: {floats:?}");
    }
    let held: Handle = python.evaluate("[x.reshape(2, 2), [4, np.int64(5)]]").await.expect("held");
    assert_eq!(python.to_float_array(&held).await.expect("flattened"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let told = python.to_float_array_2d(&held).await.expect_err("three dimensions");
    assert!(told.to_string().contains("2, 2"), "{told}");
}

async fn existing_clients_get_what_they_ask_for(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let mut client = Existing::connect(context);
    client.ask("eval", json!({ "expression": format!("import sys; sys.path.insert(0, {:?})", packages(context)) }));
    client.ask("eval", json!({ "expression": "import numpy as np, pandas as pd; np_x = np.arange(4.0); pd_s = pd.Series([1.5, None], index=['a', 'b'])" }));
    for (code, hint, wanted) in [
        ("np.mean(np_x)", "Double", "1.5"),
        ("np_x.sum()", "Int32", "6"),
        ("np_x", "Double[]", "[0.0,1.0,2.0,3.0]"),
        ("np_x.reshape(2, 2)", "Double[][]", "[[0.0,1.0],[2.0,3.0]]"),
        ("pd_s", "Nullable`1[]", "[1.5,null]"),
        ("pd_s", "Dictionary`2", "{\"a\":1.5,\"b\":null}"),
        ("pd.DataFrame({'n': [1]})", "List`1", "[{\"n\":1}]"),
        ("pd.Timestamp('2026-01-02')", "DateTime", "\"2026-01-02T00:00:00\""),
        ("np.timedelta64(1, 's')", "TimeSpan", "\"00:00:01\""),
    ] {
        let hint = if context.transport == Transport::Rpc { format!("System.{hint}") } else { hint.to_owned() };
        let (success, got) = client.ask_raw("eval", &json!({ "expression": code, "returnType": hint }));
        assert!(success, "{code} as {hint}: {got}");
        assert_eq!(got["value"].to_string(), wanted, "{code} as {hint}");
    }
    for (code, hint) in [("np_x", "Double"), ("np_x.reshape(2, 2)", "Double[]"), ("pd_s", "Double[]")] {
        let (success, got) = client.ask_raw("eval", &json!({ "expression": code, "returnType": hint }));
        assert!(!success, "{code} as {hint}: {got}");
    }
}

fn packages(context: &TestContext) -> String {
    let folder = std::env::var("BEEP_PYTHON_TEST_PACKAGES").unwrap_or_default();
    format!("{folder}/{}.{}", context.version.0, context.version.1)
}
