//! What files and clients say of packages and environments, as functions of any bytes.

pub(crate) use super::bundle::fuzzing::bundle_manifest;
pub(crate) use super::package::fuzzing::{lock_file, requirements};
pub(crate) use super::provider::fuzzing::providers_file;
