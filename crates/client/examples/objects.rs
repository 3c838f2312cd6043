//! Objects that stay in the session: `cargo run -p beep-python-client --example objects -- http://127.0.0.1:5678`.

use beep_python_client::{Args, Error, Handle, Returned, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let endpoint = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:5678".to_owned());
    let python = connect(&endpoint)?;

    let collections = python.import_module("collections").await?;
    let counter = python.create_object(&collections, "Counter", ("mississippi",)).await?;
    println!("held: a {}", counter.type_name());
    let common: Vec<(String, u32)> = python.call_method(&counter, "most_common", (2,)).await?;
    println!("most common: {common:?}");

    let other = python.create_object(&collections, "Counter", Args::new().kwarg("s", 2)).await?;
    python.call_method::<()>(&counter, "subtract", (&other,)).await?;
    println!("after subtracting another: {:?}", python.call_method::<i64>(&counter, "__getitem__", ("s",)).await?);

    match python.evaluate("object()").await? {
        Returned::Value(value) => println!("a value: {value}"),
        Returned::Handle(handle) => println!("no value, so a handle: {handle}"),
    }

    let class: Handle = python.evaluate("type('Point', (), {})").await?;
    let point: Handle = python.evaluate_with("Point()", [("Point", &class)]).await?;
    python.set_attribute(&point, "position", (1, 2.5)).await?;
    println!("an attribute: {:?}", python.get_attribute::<(i64, f64)>(&point, "position").await?);

    drop((counter, other, class, point));
    python.release_dropped().await;
    println!("released");
    Ok(())
}
