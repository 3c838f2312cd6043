//! Versions of Python.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An exact version of Python, written `3.12.7` or `3.13.0rc1`. Pre-releases sort before their final version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    /// 3
    pub major: u8,
    /// 12
    pub minor: u8,
    /// 7
    pub patch: u8,
    /// `rc1`; `None` for a final version.
    pub pre: Option<PreRelease>,
}

/// A pre-release: its kind and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PreRelease {
    /// `a1`
    Alpha(u8),
    /// `b1`
    Beta(u8),
    /// `rc1`
    Candidate(u8),
}

impl Version {
    /// A final version.
    pub const fn new(major: u8, minor: u8, patch: u8) -> Version {
        Version { major, minor, patch, pre: None }
    }

    /// Major and minor number: `3.12`.
    pub fn series(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        // A final version sorts after its pre-releases.
        let rank = |v: &Version| (v.major, v.minor, v.patch, v.pre.is_none(), v.pre);
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        match self.pre {
            None => Ok(()),
            Some(PreRelease::Alpha(n)) => write!(f, "a{n}"),
            Some(PreRelease::Beta(n)) => write!(f, "b{n}"),
            Some(PreRelease::Candidate(n)) => write!(f, "rc{n}"),
        }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Version, String> {
        text.parse()
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Version, String> {
        let parse = || {
            let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
            let (numbers, pre) = text.split_at(end);
            let mut numbers = numbers.split('.').map(|n| n.parse::<u8>().ok());
            let mut next = || numbers.next()?;
            let version = Version { major: next()?, minor: next()?, patch: next()?, pre: parse_pre(pre)? };
            numbers.next().is_none().then_some(version)
        };
        parse().ok_or_else(|| format!("\"{text}\" is not a version such as 3.12.7 or 3.13.0rc1"))
    }
}

fn parse_pre(text: &str) -> Option<Option<PreRelease>> {
    let number = |rest: &str| rest.parse::<u8>().ok();
    Some(if text.is_empty() {
        None
    } else if let Some(rest) = text.strip_prefix("rc") {
        Some(PreRelease::Candidate(number(rest)?))
    } else if let Some(rest) = text.strip_prefix('a') {
        Some(PreRelease::Alpha(number(rest)?))
    } else {
        Some(PreRelease::Beta(number(text.strip_prefix('b')?)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_it_is_read() {
        for text in ["3.12.7", "3.13.0rc1", "3.14.0a7", "3.9.0b2"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        for text in ["", "3", "3.12", "3.12.", "3.12.7.1", "3.12.7x", "3.12.7rc", "3.999.1", "a.b.c"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pre_release_comes_before_its_final_version() {
        let sorted = ["3.9.25", "3.13.0a1", "3.13.0b1", "3.13.0rc1", "3.13.0rc2", "3.13.0", "3.13.1"];
        let versions: Vec<Version> = sorted.iter().map(|v| v.parse().unwrap()).collect();
        assert!(versions.is_sorted());
    }
}
