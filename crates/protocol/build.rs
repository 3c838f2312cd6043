//! Makes the messages of the RPC wire from their definition. Nothing needs to be installed for it.

fn main() {
    println!("cargo::rerun-if-changed=proto/python_service.proto");
    #[cfg(feature = "grpc")]
    generate();
}

#[cfg(feature = "grpc")]
fn generate() {
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // With source information, so that the comments become documentation.
    let set = protox::Compiler::new(["proto"])
        .and_then(|mut compiler| {
            compiler.include_source_info(true).open_file("python_service.proto")?;
            Ok(compiler.file_descriptor_set())
        })
        .unwrap_or_else(|error| panic!("proto/python_service.proto: {error:?}"));
    std::fs::write(out.join("python_service.bin"), prost::Message::encode_to_vec(&set)).expect("OUT_DIR is writable");
    // A chunk of data is not copied out of the message.
    let chunks = [".beep.python.runtime.FetchResponse", ".beep.python.runtime.PutRequest"];
    prost_build::Config::new().bytes(chunks).compile_fds(set).expect("the messages can be written");
}
