//! What a zygote tells and a worker leaves, as functions of any bytes.

use super::zygote_message::{ZygoteHello, ZygoteMessage};

pub(crate) fn stack_dump(input: &[u8]) {
    let _ = super::stack_dump::parse(&String::from_utf8_lossy(input));
}

pub(crate) fn zygote_message(input: &[u8]) {
    let _ = (serde_json::from_slice::<ZygoteHello>(input), serde_json::from_slice::<ZygoteMessage>(input).is_ok());
}
