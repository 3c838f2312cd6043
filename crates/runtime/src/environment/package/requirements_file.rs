//! Files of requirements in pip's format, read once: a pipe gives its content only once.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::PackageError;
use super::location::with_path_from;
use crate::platform::failed_to;

/// A file of requirements, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequirementsFile {
    /// The path for the tool; `None` for what cannot be read again, such as a pipe.
    path: Option<PathBuf>,
    bytes: Vec<u8>,
}

impl RequirementsFile {
    /// Reads a file, a pipe (`/dev/stdin`, `<(…)`), or for `-` the standard input.
    pub(super) fn read(path: &Path) -> Result<RequirementsFile, PackageError> {
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            io::stdin().lock().read_to_end(&mut bytes).map_err(failed_to("read", "standard input"))?;
            return Ok(RequirementsFile { path: None, bytes });
        }
        let mut file = File::open(path).map_err(failed_to("read", path))?;
        file.read_to_end(&mut bytes).map_err(failed_to("read", path))?;
        let absolute = std::path::absolute(path).map_err(failed_to("find", path))?;
        // The tool has another /dev/stdin than this process.
        let path = match absolute.starts_with("/dev") || absolute.starts_with("/proc") {
            true => absolute.canonicalize().ok(),
            false => Some(absolute),
        };
        Ok(RequirementsFile { path: path.filter(|path| path.is_file()), bytes })
    }

    /// The path, where it can be read again.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The text; `None` in an encoding that only the tool may know.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok().map(|text| text.trim_start_matches('\u{feff}'))
    }

    /// The path for the tool. What cannot be read again is written to `copy`.
    pub(super) fn path_or_copy(&self, copy: PathBuf) -> Result<PathBuf, PackageError> {
        if let Some(path) = &self.path {
            return Ok(path.clone());
        }
        let folder = std::env::current_dir().map_err(failed_to("find", "."))?;
        let written = match self.text() {
            Some(text) => fs::write(&copy, with_absolute_paths(text, &folder)),
            None => fs::write(&copy, &self.bytes),
        };
        written.map_err(failed_to("write", &copy))?;
        Ok(copy)
    }
}

/// Requirements with the paths in them made absolute: in a copy, relative ones would count from the copy's folder.
fn with_absolute_paths(text: &str, folder: &Path) -> String {
    let absolute = |path: &str| match path.contains("://") || Path::new(path).is_absolute() {
        true => path.to_owned(),
        false => folder.join(path).to_string_lossy().into_owned(),
    };
    let rewritten = |line: &str| {
        let trimmed = line.trim_start();
        for option in ["-r", "-c", "-e", "-f", "--requirement", "--constraint", "--editable", "--find-links"] {
            let Some(rest) = trimmed.strip_prefix(option) else { continue };
            let value = rest.trim_start_matches(['=', ' ', '\t']);
            // Only a short option may stand directly before its value.
            if !value.is_empty() && (rest.len() != value.len() || option.len() == 2) {
                return format!("{option} {}", absolute(value));
            }
        }
        with_path_from(folder, trimmed).unwrap_or_else(|| line.to_owned())
    };
    text.lines().map(|line| rewritten(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_a_copy_count_from_the_working_folder() {
        let text = "six>=1\n-r more.txt\n-c/abs.txt\n--constraint=c.txt\n-e .\n-e git+https://x/y\n./a.whl\n../b\n.\n\
                    --index-url https://i\n";
        assert_eq!(
            with_absolute_paths(text, Path::new("/w")),
            "six>=1\n-r /w/more.txt\n-c /abs.txt\n--constraint /w/c.txt\n-e /w/.\n-e git+https://x/y\n/w/./a.whl\n\
             /w/../b\n/w/.\n--index-url https://i\n"
        );
    }

    #[test]
    fn a_pipe_is_read_once_and_its_content_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, copy) = (folder.path().join("pipe"), folder.path().join("copy"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::write(pipe, "six\n").unwrap()
        });
        let file = RequirementsFile::read(&pipe).unwrap();
        writer.join().unwrap();
        assert_eq!(file.text(), Some("six\n"));
        assert_eq!(file.path_or_copy(copy.clone()).unwrap(), copy);
        assert_eq!(fs::read_to_string(copy).unwrap(), "six\n");
    }
}
