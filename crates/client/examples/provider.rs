//! A provider's environment, made through a host and then used:
//! `cargo run -p beep-python-client --features local --example provider -- my-provider http://127.0.0.1:5678`.
//!
//! What `my-provider` needs stands in `providers.toml` in the host's home; without an entry its environment is empty.

use beep_python_client::{Error, LocalBackend, LocalOptions, LocalPython, connect};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let provider = arguments.next().unwrap_or_else(|| "my-provider".to_owned());
    let endpoint = arguments.next().unwrap_or_else(|| "http://127.0.0.1:5678".to_owned());
    let host = connect(&endpoint)?;

    let path = host.create_environment(&provider, None).await?;
    println!("the environment of {provider}: {}", path.display());
    let again = host.create_environment(&provider, None).await?;
    assert_eq!(again, path, "what is in place is left as it is");

    for environment in host.list_environments().await?.iter().filter(|found| path.ends_with(&found.name)) {
        let status = host.environment_status(&environment.name).await?;
        println!("{} is {}, and has {} packages", status.name, status.state, status.packages.len());
    }

    // The host is on this machine, so its folders are ours: code can run in the environment without another server.
    let python = LocalBackend::new(LocalOptions::from(LocalPython::Path(path)));
    let prefix: String = python.evaluate("import sys; sys.prefix").await?;
    println!("code that runs there says: {prefix}");
    Ok(())
}
