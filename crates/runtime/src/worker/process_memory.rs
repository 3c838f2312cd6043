//! The memory of one process, as the kernel tells it: see `/proc/PID/status` and `/proc/PID/smaps` in proc(5).

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{major, minor};

/// Device and number of a file.
pub(super) type Inode = (u32, u32, u64);

/// What is quick to read. It counts pages in full that other processes have too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resident {
    pub(super) anonymous: u64,
    pub(super) shared: u64,
    /// Pages of files.
    pub(super) files: u64,
    /// The size of its address space.
    pub(super) mapped: u64,
    /// What of that it may write and shares with nobody: what `RLIMIT_DATA` limits.
    pub(super) data: u64,
}

impl Resident {
    /// That of this process, if it exists.
    pub(super) fn read(pid: i32) -> Option<Resident> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let size = |name| status.lines().find_map(|line| kilobytes(line, name)).unwrap_or(0);
        Some(Resident {
            anonymous: size("RssAnon"),
            shared: size("RssShmem"),
            files: size("RssFile"),
            mapped: size("VmSize"),
            data: size("VmData"),
        })
    }
}

/// What takes time to read, for the kernel visits each page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapped {
    /// Its share of anonymous pages: of one that `n` processes map, each has `1/n`.
    pub(super) anonymous_share: u64,
    /// Anonymous pages that it alone maps.
    pub(super) anonymous_private: u64,
    /// The shared memory that it maps.
    pub(super) segments: HashMap<Inode, Segment>,
}

/// What a process has of a segment of shared memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its share of the pages.
    pub(super) share: u64,
    /// The pages that it maps.
    pub(super) resident: u64,
}

impl Mapped {
    /// That of this process, if it exists and this user may look.
    pub(super) fn read(pid: i32) -> Option<Mapped> {
        let whole = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let mapped = Mapped::parse(&fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?);
        // Only the sum tells anonymous pages from the pages of files that are mapped beside them.
        let anonymous_share = whole.lines().find_map(|line| kilobytes(line, "Pss_Anon"))?;
        Some(Mapped { anonymous_share: anonymous_share.max(mapped.anonymous_private), ..mapped })
    }

    /// Without the share of anonymous pages.
    fn parse(smaps: &str) -> Mapped {
        let (mut found, mut area) = (Mapped::default(), Area::default());
        for line in smaps.lines() {
            let first = line.as_bytes().first().copied().unwrap_or_default();
            if !first.is_ascii_uppercase() {
                found.add(std::mem::replace(&mut area, Area::of(line)));
            } else if let Some((name, _)) = line.split_once(':') {
                let size = || kilobytes(line, name).unwrap_or(0);
                match name {
                    "Rss" => area.resident = size(),
                    "Pss" => area.share = size(),
                    "Private_Clean" => area.private_clean = size(),
                    "Private_Dirty" => area.private_dirty = size(),
                    "Anonymous" => area.anonymous = size(),
                    _ => {}
                }
            }
        }
        found.add(area);
        found
    }

    fn add(&mut self, area: Area) {
        // Anonymous pages are dirty, those of files mostly clean.
        let private = if area.is_file { area.private_dirty } else { area.private_dirty + area.private_clean };
        self.anonymous_private += private.min(area.anonymous);
        if let Some(inode) = area.segment {
            let segment = self.segments.entry(inode).or_default();
            segment.share += area.share.saturating_sub(area.anonymous);
            segment.resident += area.resident.saturating_sub(area.anonymous);
        }
    }

    /// Its share of anonymous pages that others map too.
    pub(super) fn shared_share(&self) -> u64 {
        self.anonymous_share - self.anonymous_private
    }
}

/// One area of an address space.
#[derive(Default)]
struct Area {
    is_file: bool,
    segment: Option<Inode>,
    resident: u64,
    share: u64,
    private_clean: u64,
    private_dirty: u64,
    anonymous: u64,
}

impl Area {
    /// That of a line such as `7f00-7f01 rw-s 00000000 00:01 2071 /memfd:x (deleted)`.
    fn of(line: &str) -> Area {
        let mut words = line.split_ascii_whitespace().skip(3);
        let inode = || {
            let (major, minor) = words.next()?.split_once(':')?;
            let device = |number| u32::from_str_radix(number, 16).ok();
            Some((device(major)?, device(minor)?, words.next()?.parse().ok()?))
        };
        let inode = { inode }().filter(|&(.., number)| number != 0);
        let path = line.find('/').map_or("", |at| &line[at..]);
        Area { is_file: inode.is_some(), segment: inode.filter(|_| is_memory(path)), ..Area::default() }
    }
}

/// The shared memory that a process has open as files, each with its size; what nobody maps is resident in no process.
pub(super) fn open_segments(pid: i32) -> HashMap<Inode, u64> {
    const BLOCK: u64 = 512;
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().map(|file| file.path());
    let memory = files.filter(|file| fs::read_link(file).is_ok_and(|path| path.to_str().is_some_and(is_memory)));
    let of = |file| fs::metadata(file).ok().map(|file| (inode_of(&file), file.blocks() * BLOCK));
    memory.filter_map(of).collect()
}

fn inode_of(file: &fs::Metadata) -> Inode {
    (major(file.dev()), minor(file.dev()), file.ino())
}

/// Whether a file with this name, as the kernel tells it, is shared memory.
fn is_memory(path: &str) -> bool {
    ["/memfd:", "/dev/shm/", "/dev/zero", "/SYSV"].iter().any(|start| path.starts_with(start))
}

/// The size in a line such as `RssAnon:   1408 kB`.
fn kilobytes(line: &str, name: &str) -> Option<u64> {
    let number = line.strip_prefix(name)?.strip_prefix(':')?.trim().strip_suffix("kB")?;
    Some(number.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_told_apart() {
        let area = |line: &str, rss, pss, clean, dirty, anonymous| {
            format!(
                "{line}\nSize: 9 kB\nRss: {rss} kB\nPss: {pss} kB\nPss_Dirty: 7 kB\nPrivate_Clean: {clean} kB\nPrivate_Dirty: {dirty} kB\nAnonymous: {anonymous} kB\nVmFlags: rd\n"
            )
        };
        let smaps = [
            area("7f00-7f01 rw-p 00000000 00:00 0 [heap]", 100, 70, 0, 40, 100),
            area("7f01-7f02 rw-p 00000000 fe:01 77 /data/model.bin", 500, 300, 200, 9, 8),
            area("7f02-7f03 r--s 00000000 fe:01 78 /data/read only.bin", 500, 500, 400, 100, 0),
            area("7f03-7f04 rw-s 00000000 00:1b 3 /dev/shm/psm_1 (deleted)", 60, 30, 0, 0, 0),
            area("7f04-7f05 rw-s 00000000 00:01 4 /dev/zero (deleted)", 20, 20, 0, 20, 0),
        ];
        let mapped = Mapped::parse(&smaps.concat());
        assert_eq!(mapped.anonymous_private, (40 + 8) << 10);
        let segment = |share: u64, resident: u64| Segment { share: share << 10, resident: resident << 10 };
        assert_eq!(mapped.segments, HashMap::from([((0, 27, 3), segment(30, 60)), ((0, 1, 4), segment(20, 20))]));
        assert_eq!(Mapped::parse(""), Mapped::default());
    }

    #[test]
    fn this_process_has_memory() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let (resident, mapped) = (Resident::read(pid).expect("told"), Mapped::read(pid).expect("told"));
        assert!(resident.anonymous > 100 << 10 && resident.mapped > resident.anonymous && resident.data > 0);
        assert!(mapped.anonymous_private > 100 << 10 && mapped.anonymous_share >= mapped.anonymous_private);
        assert_eq!((Resident::read(i32::MAX), Mapped::read(i32::MAX)), (None, None));
    }
}
