//! The RPC backend from outside: gRPC as any client speaks it, and the JSON of those that exist.

#[path = "support/compressed.rs"]
#[allow(unreachable_pub)]
mod compressed;
#[path = "support/gate.rs"]
#[allow(unreachable_pub, dead_code)]
mod gate;
#[path = "support/host.rs"]
#[allow(unreachable_pub, dead_code)]
mod host;
#[path = "support/http2.rs"]
#[allow(unreachable_pub, dead_code)]
mod http2;
#[path = "support/port.rs"]
#[allow(unreachable_pub, dead_code)]
mod port;
#[path = "support/rpc.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

#[path = "rpc/bad_input.rs"]
mod bad_input;
#[path = "rpc/cancel.rs"]
mod cancel;
#[path = "rpc/client.rs"]
mod client;
#[path = "rpc/compression.rs"]
mod compression;
#[path = "rpc/grpc.rs"]
mod grpc;
#[path = "rpc/health_reflection.rs"]
mod health_reflection;
#[path = "rpc/pascal_json.rs"]
mod pascal_json;
