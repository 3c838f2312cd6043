//! Logs of servers: `ID.log` and the full files before it, `ID.log.1` being the last of them. They are kept for a while after
//! their server is gone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many logs of ended servers are kept.
const KEPT: usize = 20;

/// The file that was the log `age` files ago.
fn older(log: &Path, age: usize) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    if age > 0 {
        name.push(format!(".{age}"));
    }
    name.into()
}

/// The files of a log, from the oldest on.
pub fn log_files(log: &Path) -> Vec<PathBuf> {
    let full = (1..).map(|age| older(log, age)).take_while(|file| file.exists());
    let mut files: Vec<_> = std::iter::once(log.to_owned()).filter(|file| file.exists()).chain(full).collect();
    files.reverse();
    files
}

/// Makes room for a new file of the log, so that there are at most `files` with it.
pub fn rotate_log(log: &Path, files: usize) -> io::Result<()> {
    let last = files.saturating_sub(1);
    for too_old in (last..).map(|age| older(log, age)).take_while(|file| file.exists()) {
        fs::remove_file(too_old)?;
    }
    for age in (0..last).rev() {
        match fs::rename(older(log, age), older(log, age + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Removes a log; files that another has removed already do not matter.
pub fn remove_log(log: &Path) {
    for file in log_files(log) {
        let _ = fs::remove_file(file);
    }
}

/// The last `lines` lines of a log, whole ones; empty if there is none.
pub fn log_tail(log: &Path, lines: usize) -> String {
    let (mut tail, mut missing) = (Vec::new(), lines);
    for file in log_files(log).iter().rev() {
        let part = file_tail(file, missing);
        missing -= part.lines().count();
        tail.push(part);
        if missing == 0 {
            break;
        }
    }
    tail.retain(|part| !part.is_empty());
    tail.reverse();
    tail.join("\n")
}

fn file_tail(log: &Path, lines: usize) -> String {
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
    let mut written = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some((id, age)) = name.to_str().and_then(|name| name.split_once(".log")) else { continue };
        if !in_use(id) && (age.is_empty() || age.starts_with('.')) {
            let time = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            let last = written.entry(id.to_owned()).or_insert(time);
            *last = time.max(*last);
        }
    }
    let mut old: Vec<_> = written.into_iter().map(|(id, time)| (time, logs.join(format!("{id}.log")))).collect();
    old.sort();
    for (_, path) in old.iter().rev().skip(KEPT) {
        remove_log(path);
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
    fn a_log_has_so_many_files_and_its_tail_is_of_all() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("x.log");
        for line in 1..=6 {
            rotate_log(&log, 3).unwrap();
            fs::write(&log, format!("{line}a\n{line}b\n")).unwrap();
        }
        let names = |log| log_files(log).iter().map(|file| fs::read_to_string(file).unwrap()).collect::<Vec<_>>();
        assert_eq!(names(&log), ["4a\n4b\n", "5a\n5b\n", "6a\n6b\n"]);
        assert_eq!(log_tail(&log, 1), "6b");
        assert_eq!(log_tail(&log, 3), "5b\n6a\n6b");
        assert_eq!(log_tail(&log, 99), "4a\n4b\n5a\n5b\n6a\n6b");
        rotate_log(&log, 2).unwrap();
        assert_eq!(names(&log), ["6a\n6b\n"], "the log itself is made anew");
        fs::write(&log, "7\n").unwrap();
        assert_eq!(names(&log), ["6a\n6b\n", "7\n"]);
        rotate_log(&log, 1).unwrap();
        fs::write(&log, "8\n").unwrap();
        assert_eq!(names(&log), ["8\n"]);
        fs::write(older(&log, 1), "").unwrap();
        remove_log(&log);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn old_logs_go_and_those_in_use_stay() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..KEPT + 5 {
            let path = folder.path().join(format!("a{number:03}.log"));
            let file = fs::File::create(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64)).unwrap();
        }
        for other in ["other.txt", "a000.logic", "a000.log.1", "a001.log.1", "a001.log.2"] {
            fs::write(folder.path().join(other), "").unwrap();
        }
        fs::File::open(folder.path().join("a000.log.1")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        remove_old_logs(folder.path(), |id| id == "a001");
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left.len(), KEPT + 5);
        assert_eq!(left[..5], ["a000.logic", "a001.log", "a001.log.1", "a001.log.2", "a005.log"]);
    }
}
