//! Python values, and the exact form in which they travel.
//!
//! [`Value`] holds any value that the exact form can express. `serde_json` reads and writes it in that form (`json`), with a
//! tag such as `{"$tuple": […]}` for what plain JSON lacks (`tag`). [`to_value`] and [`from_value`] convert from and to
//! Rust types.

mod access;
#[cfg(feature = "chrono")]
mod chrono;
mod convert;
mod error;
mod from_value;
mod json;
pub(crate) mod kinds;
mod plain;
mod repr;
mod tag;
mod text;
mod to_value;

pub use error::ValueError;
pub use from_value::from_value;
pub use kinds::{BigInt, DateTime, EnumMember, HandleRef, Time, TimeDelta, Value};
pub use text::SurrogateStr;
pub use to_value::to_value;
