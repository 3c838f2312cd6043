//! Texts that say where a package is.

use std::str::FromStr;

use pep508_rs::{Requirement, VerbatimUrl};

/// Whether the text is a path that counts from some folder.
pub(in crate::environment) fn is_relative_path(text: &str) -> bool {
    let is_name = Requirement::<VerbatimUrl>::from_str(text).is_ok();
    !is_name && is_path_or_address(text) && !text.contains("://") && !text.starts_with(['/', '~'])
}

/// Whether the text is a path, a URL or the file name of an archive.
pub(super) fn is_path_or_address(text: &str) -> bool {
    let ends = [".whl", ".tar.gz", ".zip"].iter().any(|end| text.ends_with(end));
    let begins = ["./", "../", "/", "~/"].iter().any(|start| text.starts_with(start)) || text == ".";
    ends || begins || text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(char::is_whitespace))
}
