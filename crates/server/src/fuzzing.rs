//! The decoders of this crate as functions of any bytes. `fuzz/` drives them; the test runs the inputs that it keeps.

use crate::auth::fuzzing as auth;
use crate::rpc::fuzzing as rpc;
use crate::unix_socket::fuzzing as unix_socket;
use crate::web::fuzzing as web;

/// Takes any bytes.
type Decoder = fn(&[u8]);

/// Every decoder, by the name of its target.
pub const TARGETS: &[(&str, Decoder)] = &[
    ("compressed_body", web::compressed_body),
    ("grpc_request", rpc::grpc_request),
    ("origin", auth::origin),
    ("pascal_json", rpc::pascal_json),
    ("pipe_lines", unix_socket::pipe_lines),
    ("request_head", web::request_head),
    ("text_body", web::text_body),
    ("token_file", auth::token_file),
];

#[cfg(test)]
#[path = "../../../fuzz/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_input_is_decoded() {
        corpus::run(TARGETS);
    }
}
