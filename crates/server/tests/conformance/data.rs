//! Large data: bytes, arrays and tables, into a session and out of it.

use beep_python_client::{Array, Bytes, Error, ErrorCode, Handle, Limits, Response, SessionOptions, Value};

use crate::test_context::{Case, TestContext, Transport, cases};

pub const CASES: &[Case] = cases![
    arrays_of_the_standard_library_go_both_ways,
    bytes_go_both_ways,
    large_data_go_both_ways,
    results_of_methods_attributes_and_items_are_fetched,
    what_is_printed_comes_with_the_data,
    what_is_no_data_is_refused,
    data_are_limited,
    put_data_have_a_name_or_a_handle,
    a_failed_fetch_leaves_no_handle,
    data_of_one_session_go_to_another,
];

fn code(result: Result<impl std::fmt::Debug, Error>) -> ErrorCode {
    match result {
        Err(error) => error.code().unwrap_or_else(|| panic!("no code: {error:?}")),
        Ok(value) => panic!("no error: {value:?}"),
    }
}

async fn arrays_of_the_standard_library_go_both_ways(context: &TestContext) {
    let python = &context.python;
    let array: Array = python.evaluate("import array; array.array('d', [1, 2.5, -3])").await.expect("an array");
    assert_eq!(
        (array.dtype(), array.shape(), &*array.items::<f64>().expect("floats")),
        ("<f8", &[3][..], &[1.0, 2.5, -3.0][..])
    );
    let wide: Array = python.evaluate("memoryview(bytes(range(6))).cast('B', (2, 3))").await.expect("an array");
    assert_eq!((wide.dtype(), wide.shape(), wide.items::<u8>().expect("bytes")[5]), ("|u1", &[2, 3][..], 5));
    let empty: Array = python.evaluate("array.array('i')").await.expect("an array");
    assert!(empty.is_empty() && empty.shape() == [0]);
    let sent = Array::new(&[2, 2], &[1_i32, -2, 3, 4]).expect("an array");
    python.put_as("sent", sent).await.expect("kept");
    assert_eq!(python.evaluate::<Vec<Vec<i64>>>("sent.tolist()").await.expect("rows"), [[1, -2], [3, 4]]);
    let back: Array = python.evaluate("sent").await.expect("an array");
    assert_eq!((back.shape(), &*back.items::<i32>().expect("ints")), (&[2, 2][..], &[1, -2, 3, 4][..]));
    python.evaluate::<()>("sent[0, 0] = 7").await.expect("it is the session's own");
    assert_eq!(python.evaluate::<Array>("sent").await.expect("an array").items::<i32>().expect("ints")[0], 7);
}

async fn bytes_go_both_ways(context: &TestContext) {
    let python = &context.python;
    for code in ["b'abc'", "bytearray(b'abc')", "memoryview(b'abc')", "__import__('io').BytesIO(b'abc')"] {
        let bytes: Bytes = python.evaluate(code).await.expect(code);
        assert_eq!(bytes.to_bytes().expect("read"), "abc", "{code}");
    }
    assert!(python.evaluate::<Bytes>("b''").await.expect("bytes").is_empty());
    let held = python.put(Bytes::from(b"\x00\xff\n{".to_vec())).await.expect("held");
    assert_eq!(held.type_name(), "bytes");
    let told: String = python.evaluate_with("x.hex()", [("x", &held)]).await.expect("read");
    assert_eq!(told, "00ff0a7b");
    let again: Bytes = python.fetch(&held).await.expect("fetched");
    assert_eq!(again.to_bytes().expect("read"), &b"\x00\xff\n{"[..]);
    assert!(python.put(Bytes::from(Vec::new())).await.is_ok(), "nothing is data too");
}

async fn large_data_go_both_ways(context: &TestContext) {
    const ITEMS: usize = 3_000_000;
    let python = &context.python;
    let items: Vec<u32> = (0..ITEMS as u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
    python.put_as("many", Array::new(&[ITEMS], &items).expect("an array")).await.expect("kept");
    let sum: u64 = python.evaluate("sum(many.tolist() if hasattr(many, 'tolist') else many)").await.expect("a sum");
    assert_eq!(sum, items.iter().map(|n| u64::from(*n)).sum::<u64>());
    let back: Array = python.evaluate("many").await.expect("an array");
    assert!(*back.items::<u32>().expect("ints") == items[..], "other items came back");
}

async fn results_of_methods_attributes_and_items_are_fetched(context: &TestContext) {
    let python = &context.python;
    let code = "class Holder:\n    data = b'attribute'\n    def make(self, n, *, c=b'x'): return c * n\n    def __getitem__(self, key): return key.encode()\n    def __call__(self): return b'called'\nHolder()";
    let holder: Handle = python.evaluate(code).await.expect("held");
    let text = |bytes: Bytes| String::from_utf8(bytes.to_bytes().expect("read").to_vec()).expect("UTF-8");
    let args = beep_python_client::Args::new().arg(3).kwarg("c", Value::Bytes(b"y".to_vec()));
    assert_eq!(text(python.call_method(&holder, "make", args).await.expect("called")), "yyy");
    assert_eq!(text(python.get_attribute(&holder, "data").await.expect("read")), "attribute");
    assert_eq!(text(python.get_item(&holder, "key").await.expect("read")), "key");
    assert_eq!(text(python.call_object(&holder, ()).await.expect("called")), "called");
    let with_locals: Bytes = python.evaluate_with("x * 2", [("x", Value::Bytes(b"ab".to_vec()))]).await.expect("bytes");
    assert_eq!(text(with_locals), "abab");
}

async fn what_is_printed_comes_with_the_data(context: &TestContext) {
    let response: Response<Bytes> = context.python.evaluate("print('said'); b'abc'").await.expect("bytes");
    assert_eq!((response.value.len(), response.session_epoch), (3, Some(1)));
    // Over HTTP the body is the data, and there is no place for more.
    let said = if context.transport == Transport::Http { "" } else { "said\n" };
    assert_eq!(response.stdout, said);
}

async fn what_is_no_data_is_refused(context: &TestContext) {
    let python = &context.python;
    for wrong in ["1", "'text'", "[1.0]", "object()", "{}", "None"] {
        assert_eq!(code(python.evaluate::<Array>(wrong).await), ErrorCode::NotRepresentable, "{wrong}");
        assert_eq!(code(python.evaluate::<Bytes>(wrong).await), ErrorCode::NotRepresentable, "{wrong}");
    }
    let raised = python.evaluate::<Bytes>("1/0").await.expect_err("an exception");
    assert_eq!(raised.exception().map(|error| error.kind.as_str()), Some("ZeroDivisionError"));
    assert_eq!(code(python.put_as("no name", Bytes::from(vec![1])).await), ErrorCode::InvalidRequest);
    assert_eq!(code(python.put_as("class", Bytes::from(vec![1])).await), ErrorCode::InvalidRequest);
    assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("it goes on"), 2);
}

async fn data_are_limited(context: &TestContext) {
    let limits = Limits { data_bytes: Some(1000), data_count: Some(2), ..Limits::default() };
    let options = SessionOptions { limits, ..SessionOptions::default() };
    let session = context.python.create_session_with(&options).await.expect("a session");
    let there = context.python.with_session(&session);
    assert_eq!(code(there.evaluate::<Bytes>("b'x' * 1001").await), ErrorCode::TooMuchData);
    assert_eq!(there.evaluate::<Bytes>("b'x' * 1000").await.expect("bytes").len(), 1000);
    assert_eq!(code(there.put(Bytes::from(vec![0; 1001])).await), ErrorCode::TooMuchData);
    let array = |length| Array::new(&[length], &vec![0_u8; length]).expect("an array");
    let first = there.put(array(600)).await.expect("held");
    assert_eq!(code(there.put(array(600)).await), ErrorCode::TooMuchData);
    let _second = there.put(array(300)).await.expect("held");
    assert_eq!(code(there.put(array(1)).await), ErrorCode::TooMuchData, "there are two");
    there.dispose_handle(first).await.expect("released");
    let _third = there.put(array(600)).await.expect("held");
    context.python.delete_session(&session).await.expect("ended");
}

async fn put_data_have_a_name_or_a_handle(context: &TestContext) {
    let python = &context.python;
    python.put_as("größe", Array::new(&[1], &[2.5_f32]).expect("an array")).await.expect("kept");
    assert_eq!(python.evaluate::<f64>("größe.tolist()[0]").await.expect("read"), 2.5);
    let before = python.list_handles(&context.session).await.expect("a list").len();
    let held = python.put(Array::new(&[2], &[1_i8, 2]).expect("an array")).await.expect("held");
    assert_eq!(held.shape().map(<[u64]>::to_vec), Some(vec![2]));
    drop(held);
    python.release_dropped().await;
    assert_eq!(python.list_handles(&context.session).await.expect("a list").len(), before);
}

async fn a_failed_fetch_leaves_no_handle(context: &TestContext) {
    let python = &context.python;
    let before = python.list_handles(&context.session).await.expect("a list").len();
    assert!(python.evaluate::<Array>("object()").await.is_err());
    assert!(python.evaluate::<Bytes>("b'abc'").await.is_ok());
    python.release_dropped().await;
    assert_eq!(python.list_handles(&context.session).await.expect("a list").len(), before);
}

async fn data_of_one_session_go_to_another(context: &TestContext) {
    let here: Array = context.python.evaluate("import array; array.array('q', range(1000))").await.expect("an array");
    let session = context.python.create_session().await.expect("a session");
    let there = context.python.with_session(&session);
    there.put_as("given", here).await.expect("kept");
    assert_eq!(there.evaluate::<i64>("sum(given.tolist())").await.expect("a sum"), 499_500);
    context.python.delete_session(&session).await.expect("ended");
}
