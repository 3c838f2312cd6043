//! Environments at another path than the one they were created at: moved, renamed or copied with all of the home.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::layout::{self, is_same_folder};
use super::record::created_at;

/// The path that an environment was created at, where it is not there now. A path to the same folder by another way,
/// as through a link, is not another path.
pub(super) fn moved_from(folder: &Path) -> Option<PathBuf> {
    created_at(folder).filter(|created| created != folder && !is_same_folder(created, folder))
}

/// Rewrites the path `from` to `to` in the environment's files in `folder`: scripts of packages name their Python by
/// its absolute path, editable packages can lie in the environment. Their entries in `RECORD` follow.
pub(super) fn relocate(folder: &Path, from: &Path, to: &Path) -> io::Result<()> {
    let (Some(old), Some(new)) = (from.to_str(), to.to_str()) else { return Ok(()) };
    if old == new {
        return Ok(());
    }
    let library = layout::library(folder);
    let mut changed = BTreeMap::new();
    let mut rewrite = |path: PathBuf, listed: String, change: &dyn Fn(&str) -> String| -> io::Result<()> {
        if !path.symlink_metadata()?.is_file() {
            return Ok(());
        }
        // What is no text is no script.
        let Ok(text) = String::from_utf8(fs::read(&path)?) else { return Ok(()) };
        let rewritten = change(&text);
        if rewritten != text {
            replace_in_place(&path, &rewritten)?;
            changed.insert(listed, rewritten);
        }
        Ok(())
    };
    for entry in fs::read_dir(folder.join("bin"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        rewrite(entry.path(), format!("../../../bin/{name}"), &|text| match text.starts_with("#!") {
            true => short_first_line(text.replace(&format!("{old}/bin/"), &format!("{new}/bin/"))),
            false => text.to_owned(),
        })?;
    }
    let Some(library) = library else { return Ok(()) };
    for entry in fs::read_dir(&library)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".dist-info") {
            rewrite_if_there(&mut rewrite, entry.path().join("direct_url.json"), &name, &|text| {
                text.replace(&url(from), &url(to))
            })?;
        } else if name.ends_with(".pth") || name.starts_with("__editable__") {
            rewrite(entry.path(), name, &|text| text.replace(&format!("{old}/"), &format!("{new}/")))?;
        }
    }
    for entry in fs::read_dir(library)?.flatten().filter(|_| !changed.is_empty()) {
        let list = entry.path().join("RECORD");
        let Ok(text) = fs::read_to_string(&list) else { continue };
        let line_of = |line: &str| {
            let (path, _) = line.split_once(',')?;
            let text = changed.get(path)?;
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()));
            Some(format!("{path},sha256={hash},{}", text.len()))
        };
        let lines: Vec<String> = text.lines().map(|line| line_of(line).unwrap_or_else(|| line.to_owned())).collect();
        let rewritten = lines.join("\n") + "\n";
        if rewritten != text {
            replace_in_place(&list, &rewritten)?;
        }
    }
    Ok(())
}

fn rewrite_if_there(
    rewrite: &mut impl FnMut(PathBuf, String, &dyn Fn(&str) -> String) -> io::Result<()>,
    path: PathBuf,
    folder: &str,
    change: &dyn Fn(&str) -> String,
) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match rewrite(path, format!("{folder}/{name}"), change) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Writes a new file with the same permissions: uv's files are links into its cache, which must not change.
fn replace_in_place(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut new, text.as_bytes())?;
    new.as_file().set_permissions(fs::metadata(path)?.permissions())?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The kernel reads a limited first line, and takes what follows a space for an argument. `sh` has no such limits.
fn short_first_line(text: String) -> String {
    const LIMIT: usize = 127;
    let Some((first, rest)) = text.split_once('\n') else { return text };
    let python = first.trim_start_matches("#!");
    if (first.len() <= LIMIT && !python.contains(' ')) || !python.starts_with('/') || python.starts_with("/bin/sh") {
        return text;
    }
    format!("#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n{rest}")
}

/// The beginning of the URLs of what lies in a folder.
fn url(folder: &Path) -> String {
    reqwest::Url::from_directory_path(folder).map(String::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_or_one_with_spaces_is_run_by_sh() {
        assert_eq!(short_first_line("#!/a/bin/python\nx".into()), "#!/a/bin/python\nx");
        assert_eq!(
            short_first_line("#!/a b/bin/python\nx\n".into()),
            "#!/bin/sh\n'''exec' \"/a b/bin/python\" \"$0\" \"$@\"\n' '''\nx\n"
        );
        let long = format!("#!/{}/bin/python\nx", "a".repeat(130));
        assert!(short_first_line(long).starts_with("#!/bin/sh\n"));
        let own = "#!/bin/sh\n'''exec' \"/a b/bin/python\" \"$0\" \"$@\"\n' '''\nx";
        assert_eq!(short_first_line(own.into()), own);
    }
}
