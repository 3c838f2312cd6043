//! Target machines of another kind, in the tools' terms.

use crate::interpreter::{Platform, Version};

/// The newest minor version of the GNU C library that packages may require: that of the Linux distributions of 2018. A
/// wheel names the oldest version it works with.
const GLIBC_2: u32 = 28;
/// The newest minor version of musl 1 that packages may require.
const MUSL_1: u32 = 2;

/// A Python of another platform, for which packages are collected.
pub(in crate::environment) struct Target<'a> {
    pub(in crate::environment) platform: &'a Platform,
    pub(in crate::environment) version: Version,
    pub(in crate::environment) free_threaded: bool,
}

impl Target<'_> {
    /// Options of `pip download`.
    pub(super) fn for_pip(&self) -> Vec<String> {
        let Version { major, minor, patch, .. } = self.version;
        let threads = if self.free_threaded { "t" } else { "" };
        let mut options = vec!["--only-binary=:all:".to_owned(), "--implementation=cp".into()];
        options.push(format!("--python-version={major}.{minor}.{patch}"));
        options.push(format!("--abi=cp{major}{minor}{threads}"));
        options.extend((!self.free_threaded).then(|| "--abi=abi3".into()));
        options.push("--abi=none".into());
        options.extend(self.tags().into_iter().map(|tag| format!("--platform={tag}")));
        options
    }

    /// Options of `uv pip compile`.
    pub(super) fn for_uv(&self) -> Vec<String> {
        let Platform { arch, libc, .. } = self.platform;
        let platform = match libc.as_str() {
            "musl" => format!("{arch}-unknown-linux-musl"),
            _ => format!("{arch}-manylinux_2_{GLIBC_2}"),
        };
        let version = format!("--python-version={}", self.version);
        vec!["--only-binary=:all:".into(), format!("--python-platform={platform}"), version]
    }

    /// The platform tags of its wheels, the best first.
    fn tags(&self) -> Vec<String> {
        let Platform { arch, libc, .. } = self.platform;
        let mut tags: Vec<String> = match libc.as_str() {
            "musl" => (1..=MUSL_1).rev().map(|minor| format!("musllinux_1_{minor}_{arch}")).collect(),
            _ => (5..=GLIBC_2).rev().map(|minor| format!("manylinux_2_{minor}_{arch}")).collect(),
        };
        if libc == "gnu" {
            tags.extend(["manylinux2014", "manylinux2010", "manylinux1"].map(|old| format!("{old}_{arch}")));
        }
        tags.push(format!("linux_{arch}"));
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_as_wheels_and_tools_name_it() {
        let platform = "linux-aarch64-musl".parse().unwrap();
        let target = Target { platform: &platform, version: Version::new(3, 12, 7), free_threaded: false };
        let expected = [
            "--only-binary=:all:",
            "--implementation=cp",
            "--python-version=3.12.7",
            "--abi=cp312",
            "--abi=abi3",
            "--abi=none",
            "--platform=musllinux_1_2_aarch64",
            "--platform=musllinux_1_1_aarch64",
            "--platform=linux_aarch64",
        ];
        assert_eq!(target.for_pip(), expected);
        assert!(target.for_uv().contains(&"--python-platform=aarch64-unknown-linux-musl".to_owned()));
        let platform = "linux-x86_64-gnu".parse().unwrap();
        let target = Target { platform: &platform, version: Version::new(3, 13, 0), free_threaded: true };
        let options = target.for_pip();
        assert!(options.contains(&"--abi=cp313t".to_owned()) && !options.contains(&"--abi=abi3".to_owned()));
        for tag in ["manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux1"] {
            assert!(options.contains(&format!("--platform={tag}_x86_64")), "{tag}");
        }
        assert!(!options.contains(&"--platform=manylinux_2_29_x86_64".to_owned()));
    }
}
