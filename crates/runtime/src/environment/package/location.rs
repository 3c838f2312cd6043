//! Texts that say where a package is.

use std::path::Path;

use super::pep508;

/// The text with its path counted from this folder; `None` when it has none that counts from some folder.
pub(in crate::environment) fn with_path_from(folder: &Path, text: &str) -> Option<String> {
    let counted = |path: &str| folder.join(path).to_string_lossy().into_owned();
    if let Some((name, path)) = named_path(text) {
        return (!path.starts_with('/')).then(|| format!("{name} @ {}", counted(path)));
    }
    let is_name = pep508::parse(text).is_ok();
    let is_relative = !is_name && is_path_or_address(text) && !text.contains("://") && !text.starts_with(['/', '~']);
    is_relative.then(|| counted(text))
}

/// Whether the text is a path, a URL or the file name of an archive.
pub(super) fn is_path_or_address(text: &str) -> bool {
    let ends = [".whl", ".tar.gz", ".zip"].iter().any(|end| text.ends_with(end));
    ends || is_path(text)
        || text.starts_with("~/")
        || text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(char::is_whitespace))
}

fn is_path(text: &str) -> bool {
    ["./", "../", "/"].iter().any(|start| text.starts_with(start)) || text == "." || text == ".."
}

/// `NAME @ PATH` with a URL in place of the path, which PEP 508 wants and uv does not.
pub(super) fn with_url(text: &str) -> Option<String> {
    let (name, path) = named_path(text)?;
    let (path, marker) =
        path.split_once(" ;").map_or((path, String::new()), |(path, marker)| (path, format!(" ;{marker}")));
    let url = file_url(&std::path::absolute(path.trim()).ok()?)?;
    Some(format!("{name} @ {url}{marker}"))
}

/// A path as a URL, with escapes for what else would end it: pip splits lines at quotes, and both tools split markers
/// off at semicolons and extras at brackets.
pub(super) fn file_url(path: &Path) -> Option<String> {
    let url = reqwest::Url::from_file_path(path).ok()?;
    let escapes = [("'", "%27"), (";", "%3B"), ("[", "%5B"), ("]", "%5D")];
    Some(escapes.iter().fold(url.into(), |url: String, (from, to)| url.replace(from, to)))
}

/// A path for the tools: as a URL where a character of it means something else to one of them, `#` for example.
pub(super) fn for_tools(path: &str) -> String {
    let is_misread = path.contains(['#', '?', '%', ';', '\'', '"', '[', ']', '@']);
    let absolute = || file_url(&std::path::absolute(path).ok()?);
    if is_misread { absolute().unwrap_or_else(|| path.to_owned()) } else { path.to_owned() }
}

/// The path and the extras of `./folder[extra]`.
pub(super) fn split_extras(text: &str) -> (&str, &str) {
    text.split_at(text.rfind('[').filter(|_| text.ends_with(']')).unwrap_or(text.len()))
}

/// The name, with its extras, and the path of `NAME @ PATH`.
fn named_path(text: &str) -> Option<(&str, &str)> {
    let (name, path) = text.split_once('@')?;
    let (name, path) = (name.trim(), path.trim());
    let is_name = pep508::parse(name).is_ok_and(|name| name.version_or_url.is_none());
    (is_name && is_path(path)).then_some((name, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_count_from_a_folder_with_and_without_a_name() {
        for (text, counted) in [
            ("./a.whl", Some("/w/./a.whl")),
            ("a.whl", Some("/w/a.whl")),
            ("..", Some("/w/..")),
            ("a @ ./b", Some("a @ /w/./b")),
            ("a[x]@../b ; python_version > '3'", Some("a[x] @ /w/../b ; python_version > '3'")),
            ("a @ /b", None),
            ("/b", None),
            ("a @ file:///b", None),
            ("a", None),
            ("git+ssh://git@host/x", None),
        ] {
            assert_eq!(with_path_from(Path::new("/w"), text).as_deref(), counted, "{text}");
        }
    }

    #[test]
    fn a_path_behind_a_name_becomes_a_url() {
        for (text, url) in [
            ("a @ /b c", Some("a @ file:///b%20c")),
            ("a[x] @ /b; python_version > '3'", Some("a[x] @ file:///b%3B%20python_version%20%3E%20%273%27")),
            ("a[x] @ /b ; python_version > '3'", Some("a[x] @ file:///b ; python_version > '3'")),
            ("a>1 @ /b", None),
            ("a @ b", None),
        ] {
            assert_eq!(with_url(text).as_deref(), url, "{text}");
        }
    }
}
