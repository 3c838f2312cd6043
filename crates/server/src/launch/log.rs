//! Logs of servers: one file each, kept for a while after their server is gone.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

/// How many logs of ended servers are kept.
const KEPT: usize = 20;

/// The last `lines` lines of a log, whole ones; empty if there is none.
pub fn log_tail(log: &Path, lines: usize) -> String {
    const BLOCK: u64 = 16 << 10;
    let read = |length: u64| {
        let mut file = fs::File::open(log)?;
        let begin = file.metadata()?.len().saturating_sub(length);
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        std::io::Result::Ok((bytes, begin == 0))
    };
    let mut length = BLOCK;
    loop {
        let (bytes, is_whole) = read(length).unwrap_or((Vec::new(), true));
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.trim_end().lines().collect();
        // The first line of a part of the log may have lost its beginning.
        if is_whole || all.len() > lines {
            return all[all.len().saturating_sub(lines)..].join("\n");
        }
        length = length.saturating_mul(4);
    }
}

/// Removes the oldest logs in `logs` but for the newest [`KEPT`]; logs of servers that are `in_use` stay anyway.
pub(super) fn remove_old_logs(logs: &Path, in_use: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(logs) else { return };
    let mut old: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let id = path.file_name()?.to_str()?.strip_suffix(".log")?;
            let written = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            (!in_use(id)).then(|| (written, path.clone()))
        })
        .collect();
    old.sort();
    for (_, path) in old.iter().rev().skip(KEPT) {
        // Another starter may have removed it already.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_tail_is_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("x.log");
        assert_eq!(log_tail(&log, 3), "");
        fs::write(&log, "one\ntwo\nthree\nfour\n\n").unwrap();
        assert_eq!(log_tail(&log, 2), "three\nfour");
        assert_eq!(log_tail(&log, 9), "one\ntwo\nthree\nfour");
        fs::write(&log, "x".repeat(100_000) + "\nlast").unwrap();
        assert_eq!(log_tail(&log, 1), "last");
        assert_eq!(log_tail(&log, 2).len(), 100_005);
        let many: Vec<String> = (0..10_000).map(|number| format!("line {number}")).collect();
        fs::write(&log, many.join("\n")).unwrap();
        assert_eq!(log_tail(&log, 9_000), many[1_000..].join("\n"));
    }

    #[test]
    fn old_logs_go_and_those_in_use_stay() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..KEPT + 5 {
            let path = folder.path().join(format!("a{number:03}.log"));
            let file = fs::File::create(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64)).unwrap();
        }
        fs::write(folder.path().join("other.txt"), "").unwrap();
        remove_old_logs(folder.path(), |id| id == "a001");
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left.len(), KEPT + 2);
        assert_eq!(left[..2], ["a001.log", "a005.log"]);
    }
}
