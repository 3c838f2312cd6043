//! Typed results of evaluations: `cargo run -p beep-python-client --example evaluate -- http://127.0.0.1:5678`.

use std::collections::BTreeMap;

use beep_python_client::{Error, Response, Value, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let endpoint = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:5678".to_owned());
    let python = connect(&endpoint)?;
    println!("{} is {}", endpoint, python.health().await?.status);

    let sum: i64 = python.evaluate("sum(range(101))").await?;
    println!("an integer: {sum}");

    let (name, parts): (String, Vec<u32>) = python.evaluate("import sys; ('Python', sys.version_info[:2])").await?;
    println!("a tuple: {name} {}.{}", parts[0], parts[1]);

    let counts: BTreeMap<String, usize> =
        python.evaluate_with("{word: words.count(word) for word in words}", [("words", ["a", "b", "a"])]).await?;
    println!("a dict: {counts:?}");

    let anything: Value = python.evaluate("{1: (2.0, b'three', {4}), None: 5j}").await?;
    println!("any value: {anything}");

    let answer: Response<f64> = python.evaluate("print('thinking ...')\n22 / 7").await?;
    println!("a float: {:.3}, after it printed {:?}", answer.value, answer.stdout);

    match python.evaluate::<i64>("def f(x):\n    return 1 / x\n\nf(0)").await {
        Err(error @ Error::Python(_)) => println!("an exception:\n{error:#}"),
        other => println!("no exception, but {other:?}"),
    }
    Ok(())
}
