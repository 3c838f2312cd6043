//! The messages of `proto/python_service.proto`.

include!(concat!(env!("OUT_DIR"), "/beep.python.runtime.rs"));
