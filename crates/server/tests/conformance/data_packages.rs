//! Arrays and tables of numpy, pandas, pyarrow and polars, where the packages are there.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array as _, Float64Array, RecordBatch};
use beep_python_client::{Array, Error, ErrorCode, Table};
use std::sync::Arc;

use crate::packages::has_packages;
use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    every_kind_of_array_comes_as_it_is,
    what_does_not_travel_says_what_to_do,
    arrays_are_numpys_in_the_session,
    tables_go_both_ways,
    tables_that_do_not_travel_name_their_column,
    shared_arrays_are_not_copied,
];

async fn every_kind_of_array_comes_as_it_is(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    for (code, dtype, shape, hex) in [
        ("np.arange(3, dtype='f4')", "<f4", &[3][..], "000000000000803f00000040"),
        ("np.arange(6, dtype='i2').reshape(2, 3)[:, ::-1]", "<i2", &[2, 3], "020001000000050004000300"),
        ("np.asfortranarray([[1, 2], [3, 4]], dtype='u1')", "|u1", &[2, 2], "01020304"),
        ("np.array([1, 2], dtype='>i4')", "<i4", &[2], "0100000002000000"),
        ("np.array([True, False])", "|b1", &[2], "0100"),
        ("np.array([1j], dtype='c8')", "<c8", &[1], "000000000000803f"),
        ("np.array(['ab', 'c'], dtype='U2')", "<U2", &[2], "61000000620000006300000000000000"),
        ("np.array([b'ab', b'c'])", "|S2", &[2], "61626300"),
        ("np.array(['2026-01-02'], dtype='M8[D]')", "<M8[D]", &[1], "e74f000000000000"),
        ("np.array([90], dtype='m8[s]')", "<m8[s]", &[1], "5a00000000000000"),
        ("np.float64(1.5)", "<f8", &[], "000000000000f83f"),
        ("np.zeros((0, 4))", "<f8", &[0, 4], ""),
        ("np.ma.array([1.5, 7.0], mask=[False, True])", "<f8", &[2], "000000000000f83f000000000000f87f"),
        ("pd.Series([1, 2], dtype='Int16')", "<i2", &[2], "01000200"),
        ("pd.Series([1, None], dtype='Int64')", "<f8", &[2], "000000000000f03f000000000000f87f"),
        ("pd.Index([5])", "<i8", &[1], "0500000000000000"),
        ("pd.Series([1, 2], dtype='i4').array", "<i4", &[2], "0100000002000000"),
    ] {
        let array: Array = python.evaluate(code).await.unwrap_or_else(|error| panic!("{code}: {error}"));
        assert_eq!((array.dtype(), array.shape()), (dtype, shape), "{code}");
        let bytes = array.buffer().to_bytes().expect("read");
        assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hex, "{code}");
        // Whatever came goes back as it is.
        if !array.is_empty() {
            python.put_as("back", array).await.unwrap_or_else(|error| panic!("{code}: {error}"));
            let same = format!(
                "expected = {code}\nexpected = np.ma.filled(expected, np.nan) if isinstance(expected, np.ma.MaskedArray) else np.asarray(expected)\n(back.shape, back.tobytes() == back.astype(back.dtype.newbyteorder('<')).tobytes())"
            );
            let (shape_there, _): (Vec<usize>, bool) = python.evaluate(&same).await.expect("compared");
            assert_eq!(shape_there, shape, "{code}");
        }
    }
}

fn refused(result: Result<impl std::fmt::Debug, Error>) -> String {
    match result {
        Err(Error::Host(problem)) if problem.code == ErrorCode::NotRepresentable => problem.detail.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

async fn what_does_not_travel_says_what_to_do(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    for (code, said) in [
        ("np.array([1, 'a'], dtype=object)", ".astype("),
        ("pd.Series(['a', 'b'])", "json"),
        ("pd.Series(['a'], dtype='category')", "json"),
        ("np.ma.array([1, 2], mask=[False, True])", ".filled("),
        ("d", "table"),
        ("[1.0]", "numpy.asarray"),
    ] {
        let told = refused(python.evaluate::<Array>(code).await);
        assert!(told.contains(said), "{code}: {told}");
    }
    assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("it goes on"), 2);
}

async fn arrays_are_numpys_in_the_session(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    python
        .put_as("a", Array::new(&[2, 3], &[1.5_f64, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("an array"))
        .await
        .expect("kept");
    assert_eq!(python.evaluate::<f64>("a.T[2].sum()").await.expect("a sum"), 9.0);
    python.evaluate::<()>("a[0, 0] = 7").await.expect("it can be written");
    let held = python.put(Array::new(&[1], &[[1.0_f32, -1.0]]).expect("an array")).await.expect("held");
    assert_eq!((held.type_name(), held.type_module(), held.dtype()), ("ndarray", Some("numpy"), Some("complex64")));
    let back: Array = python.fetch(&held).await.expect("fetched");
    assert_eq!(*back.items::<[f32; 2]>().expect("complex"), [[1.0, -1.0]]);
}

fn numbers(values: &[f64]) -> RecordBatch {
    RecordBatch::try_from_iter([("x", Arc::new(Float64Array::from(values.to_vec())) as _)]).expect("a batch")
}

async fn tables_go_both_ways(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    python
        .evaluate::<()>("df = pd.DataFrame({'n': [1, 2], 'x': [0.5, None], 's': ['a', 'b']}, index=['i', 'j'])")
        .await
        .expect("made");
    let table: Table = python.evaluate("df").await.expect("a table");
    let batches = table.batches().expect("rows");
    let names: Vec<_> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["n", "x", "s", "__index_level_0__"]);
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    let x = batches[0].column(1).as_primitive::<Float64Type>();
    assert!(x.value(0) == 0.5 && x.is_null(1));
    // Changed, and back.
    let doubled = numbers(&[2.0 * x.value(0), 3.0]);
    python.put_as("back", Table::from_batches(&[doubled]).expect("a table")).await.expect("kept");
    assert_eq!(python.evaluate::<String>("type(back).__name__").await.expect("named"), "Table");
    assert_eq!(python.evaluate::<f64>("back.to_pandas()['x'].sum()").await.expect("a sum"), 4.0);
    python.put_as("same", table).await.expect("kept");
    assert!(python.evaluate::<bool>("same.to_pandas().equals(df)").await.expect("compared"));
    let code = "import pyarrow as pa, polars as pl";
    python.evaluate::<()>(code).await.expect("imported");
    for code in [
        "pa.table({'x': [1.0, 2.0]})",
        "pa.record_batch({'x': [1.0, 2.0]}) if hasattr(pa, 'record_batch') else pa.RecordBatch.from_pydict({'x': [1.0, 2.0]})",
        "pl.DataFrame({'x': [1.0, 2.0]})",
    ] {
        let table: Table = python.evaluate(code).await.unwrap_or_else(|error| panic!("{code}: {error}"));
        let batches = table.batches().expect("rows");
        assert_eq!(batches[0].column(0).as_primitive::<Float64Type>().values(), &[1.0, 2.0], "{code}");
    }
    let empty: Table = python.evaluate("pd.DataFrame({'x': np.zeros(0)})").await.expect("a table");
    assert_eq!(empty.batches().expect("read").iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

async fn tables_that_do_not_travel_name_their_column(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    for (code, said) in [
        ("pd.DataFrame([[1, 2]], columns=['same', 'same'])", "same"),
        ("pd.DataFrame({'mixed': [1, 'a', b'c']})", "mixed"),
        ("pd.DataFrame({'odd': [1j]})", "odd"),
        ("np.zeros((2, 2))", "array"),
    ] {
        let told = refused(python.evaluate::<Table>(code).await);
        assert!(told.contains(said), "{code}: {told}");
    }
    let cut = Table::from_stream(vec![0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0, 1, 2, 3]);
    let told = python.put(cut).await.expect_err("no stream");
    assert_eq!(told.code(), Some(ErrorCode::InvalidRequest), "{told}");
    assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("it goes on"), 2);
}

async fn shared_arrays_are_not_copied(context: &TestContext) {
    if !has_packages(context).await {
        return;
    }
    let python = &context.python;
    python
        .evaluate::<()>("from beep_python import shared_array\nframe = shared_array((4, 5), 'f8'); frame[:] = 2")
        .await
        .expect("made");
    let array: Array = python.evaluate("frame[1:]").await.expect("an array");
    assert_eq!((array.shape(), array.items::<f64>().expect("floats").iter().sum::<f64>()), (&[3, 5][..], 30.0));
    if array.is_live() {
        python.evaluate::<()>("frame[1:] = 3").await.expect("written");
        assert_eq!(array.items::<f64>().expect("floats").iter().sum::<f64>(), 45.0, "it is the same memory");
    }
    let is_local =
        matches!(context.transport, crate::test_context::Transport::Pipe | crate::test_context::Transport::Local);
    assert_eq!(array.is_live(), is_local);
}
