//! Rows of floats, sent as bytes: `cargo run -p beep-python-client --example arrays -- http://127.0.0.1:5678`.

use beep_python_client::{Error, Handle, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let endpoint = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:5678".to_owned());
    let python = connect(&endpoint)?;

    let samples: Handle = python.evaluate("import array, math; array.array('d', map(math.sqrt, range(5)))").await?;
    println!("one row: {:?}", python.to_float_array(&samples).await?);

    let ragged = python.wrap_value([vec![1.0, 2.0], vec![], vec![3.0]]).await?;
    println!("rows of a list: {:?}", python.to_float_array_2d(&ragged).await?);

    if python.is_module_available("numpy").await? {
        let matrix: Handle = python.evaluate("import numpy; numpy.arange(6.0).reshape(2, 3)").await?;
        println!("{} of shape {:?}, {:?}", matrix.type_name(), matrix.shape(), matrix.dtype());
        println!("its rows: {:?}", python.to_float_array_2d(&matrix).await?);
    } else {
        println!("numpy is not installed there, so no matrix");
    }
    Ok(())
}
