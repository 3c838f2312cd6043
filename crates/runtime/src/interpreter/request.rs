//! Requests for a Python.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::platform::Platform;
use super::version::Version;

/// A request for a Python: `3`, `3.12`, `312`, `3.12.7`, `3.13.0rc1`, `>=3.11`, `>=3.10,<3.13`, `~=3.11.2`, `==3.11.*`,
/// `3.13t` for a build without the global interpreter lock, the id of a build for this machine (`cpython-3.12.7-linux-x86_64-gnu`), or a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionRequest {
    /// A version that begins with these numbers, at most three. [`best`](Self::best) prefers a final version to a pre-release.
    Series(Vec<u8>),
    /// Exactly this version.
    Exact(Version),
    /// A version within every bound.
    Range(Vec<Bound>),
    /// A matching build without the global interpreter lock.
    FreeThreaded(Box<VersionRequest>),
    /// The Python at this path: an executable, or a folder with `bin/python3` in it.
    Path(PathBuf),
}

/// The text does not name a Python.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{request}\" does not say which Python: it takes a version such as 3.12 or 3.12.7, a range such as >=3.11, or the path of one"
)]
pub struct InvalidRequest {
    /// The text.
    pub request: String,
}

/// One bound of a range: `>=3.11`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    comparison: Comparison,
    numbers: Vec<u8>,
    /// Whether it was written with `.*`, which means the same here.
    star: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Compatible,
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
    Exactly,
    Unequal,
}

/// A sign comes before the shorter one that it begins with.
const COMPARISONS: [(&str, Comparison); 8] = [
    ("~=", Comparison::Compatible),
    ("===", Comparison::Exactly),
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    (">", Comparison::Above),
    ("<", Comparison::Below),
];

impl VersionRequest {
    /// Whether a build without the global interpreter lock is requested. Such a build matches only such a request.
    pub fn is_free_threaded(&self) -> bool {
        matches!(self, VersionRequest::FreeThreaded(_))
    }

    /// Whether `version` matches. No version matches a path.
    pub fn matches(&self, version: &Version) -> bool {
        match self {
            VersionRequest::Series(numbers) => compare(version, numbers).is_eq(),
            VersionRequest::Exact(wanted) => version == wanted,
            VersionRequest::Range(bounds) => bounds.iter().all(|bound| bound.holds(version)),
            VersionRequest::FreeThreaded(request) => request.matches(version),
            VersionRequest::Path(_) => false,
        }
    }

    /// The nearest of `choices` when none matches: the newest of the same series, else the newest of the next newer
    /// series, else the newest.
    pub fn nearest(&self, choices: &[Version]) -> Option<Version> {
        let wanted = match self {
            VersionRequest::Series(numbers) => at(numbers),
            VersionRequest::Exact(version) => *version,
            VersionRequest::Range(bounds) => at(&bounds.first()?.numbers),
            VersionRequest::FreeThreaded(request) => return request.nearest(choices),
            VersionRequest::Path(_) => return None,
        };
        let finals: Vec<Version> = choices.iter().copied().filter(|version| version.pre.is_none()).collect();
        let choices = if finals.is_empty() { choices } else { &finals };
        let same = choices.iter().filter(|version| version.series() == wanted.series()).max();
        let newer = choices.iter().filter(|version| **version > wanted);
        // The newest version of that series: a request for 3.8 means 3.9.25 rather than 3.9.0.
        let newer = newer.min().and_then(|next| choices.iter().filter(|v| v.series() == next.series()).max());
        same.or(newer).or_else(|| choices.iter().max()).copied()
    }

    /// The best match of `choices`: the newest final version, else the newest pre-release.
    pub fn best<'a, T>(
        &self,
        choices: impl IntoIterator<Item = &'a T>,
        version: impl Fn(&T) -> Version,
    ) -> Option<&'a T> {
        choices
            .into_iter()
            .filter(|choice| self.matches(&version(choice)))
            .max_by_key(|choice| (version(choice).pre.is_none(), version(choice)))
    }
}

impl Bound {
    fn holds(&self, version: &Version) -> bool {
        let order = compare(version, &self.numbers);
        match self.comparison {
            Comparison::AtLeast => order.is_ge(),
            Comparison::Above => order.is_gt(),
            Comparison::AtMost => order.is_le(),
            Comparison::Below => order.is_lt(),
            // `~=3.11.2` is `>=3.11.2` and `==3.11.*`.
            Comparison::Compatible => {
                order.is_ge() && compare(version, &self.numbers[..self.numbers.len() - 1]).is_eq()
            }
            Comparison::Equal | Comparison::Exactly => order.is_eq(),
            Comparison::Unequal => order.is_ne(),
        }
    }
}

/// Compares only as many numbers as are given: 3.12.7 equals `3.12`.
fn compare(version: &Version, numbers: &[u8]) -> std::cmp::Ordering {
    [version.major, version.minor, version.patch][..numbers.len()].cmp(numbers)
}

/// The lowest version that begins with these numbers.
fn at(numbers: &[u8]) -> Version {
    let number = |index: usize| numbers.get(index).copied().unwrap_or(0);
    Version::new(number(0), number(1), number(2))
}

fn numbers(text: &str) -> Option<Vec<u8>> {
    let numbers: Vec<u8> = text.split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?;
    (numbers.len() <= 3).then_some(numbers)
}

fn bound(text: &str) -> Option<Bound> {
    let text = text.trim();
    let (sign, comparison) = COMPARISONS.into_iter().find(|(sign, _)| text.starts_with(sign))?;
    let text = text[sign.len()..].trim();
    let plain = text.strip_suffix(".*");
    let numbers = numbers(plain.unwrap_or(text))?;
    // As PEP 440 has it: `.*` only for these two, and `~=` needs two numbers.
    let fits = match comparison {
        Comparison::Equal | Comparison::Unequal => true,
        Comparison::Compatible => plain.is_none() && numbers.len() > 1,
        _ => plain.is_none(),
    };
    fits.then_some(Bound { comparison, numbers, star: plain.is_some() })
}

impl FromStr for VersionRequest {
    type Err = InvalidRequest;

    fn from_str(text: &str) -> Result<VersionRequest, InvalidRequest> {
        let word = text.trim();
        if word.contains('/') || matches!(word, "." | "..") {
            return Ok(VersionRequest::Path(Path::new(word).to_owned()));
        }
        let plain = ["cpython-", "cpython@", "cpython", "cp", "python-", "python@", "python"]
            .iter()
            .find_map(|p| word.strip_prefix(p))
            .unwrap_or(word);
        let plain = plain.strip_suffix(&format!("-{}", Platform::host())).unwrap_or(plain);
        plain
            .strip_suffix("+freethreaded")
            .or_else(|| plain.strip_suffix('t'))
            .and_then(|plain| Some(VersionRequest::FreeThreaded(Box::new(version(plain.trim_end())?))))
            .or_else(|| version(plain))
            .ok_or_else(|| InvalidRequest { request: text.to_owned() })
    }
}

/// `312` is 3.12, as in the tags of wheels.
fn as_tag(plain: &str) -> Option<Vec<u8>> {
    let (major, minor) = plain.split_at_checked(1)?;
    let is_tag = plain.len() > 1 && plain.bytes().all(|byte| byte.is_ascii_digit()) && !minor.starts_with('0');
    is_tag.then(|| Some(vec![major.parse().ok()?, minor.parse().ok()?])).flatten()
}

fn version(plain: &str) -> Option<VersionRequest> {
    numbers(plain)
        .map(|numbers| VersionRequest::Series(as_tag(plain).unwrap_or(numbers)))
        .or_else(|| as_tag(plain).map(VersionRequest::Series))
        .or_else(|| plain.parse().ok().map(VersionRequest::Exact))
        .or_else(|| plain.split(',').map(bound).collect::<Option<_>>().map(VersionRequest::Range))
}

impl fmt::Display for VersionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dotted = |numbers: &[u8]| numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
        match self {
            VersionRequest::Series(numbers) => f.write_str(&dotted(numbers)),
            VersionRequest::Exact(version) => version.fmt(f),
            VersionRequest::FreeThreaded(request) => write!(f, "{request}t"),
            VersionRequest::Path(path) => path.display().fmt(f),
            VersionRequest::Range(bounds) => {
                for (index, Bound { comparison, numbers, star }) in bounds.iter().enumerate() {
                    let sign = COMPARISONS.iter().find(|(_, c)| c == comparison).map_or("", |(sign, _)| sign);
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{sign}{}{}", dotted(numbers), if *star { ".*" } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(request: &str, version: &str) -> bool {
        request.parse::<VersionRequest>().unwrap().matches(&version.parse().unwrap())
    }

    #[test]
    fn what_matches_what() {
        for (request, yes, no) in [
            ("3", "3.9.1", "4.0.0"),
            ("3.12", "3.12.7", "3.1.2"),
            ("3.12.7", "3.12.7", "3.12.1"),
            ("python3.12", "3.12.7", "3.13.0"),
            ("cpython-3.12.7", "3.12.7", "3.12.8"),
            ("3.13.0rc1", "3.13.0rc1", "3.13.0"),
            (">=3.11", "3.11.0", "3.10.13"),
            (">= 3.10, <3.13", "3.12.9", "3.13.0"),
            (">3.11", "3.12.0", "3.11.7"),
            ("<=3.11", "3.11.7", "3.12.0"),
            ("!=3.12", "3.11.0", "3.12.4"),
            ("==3.12.1", "3.12.1", "3.12.2"),
            ("3.13t", "3.13.1", "3.14.0"),
            ("3.13+freethreaded", "3.13.1", "3.14.0"),
            ("312", "3.12.7", "3.1.2"),
            ("39", "3.9.18", "3.12.0"),
            ("cp312", "3.12.7", "3.13.0"),
            ("python312", "3.12.7", "3.13.0"),
            ("cpython@3.12", "3.12.7", "3.13.0"),
            ("~=3.11.2", "3.11.7", "3.11.1"),
            ("~=3.11.2", "3.11.2", "3.12.0"),
            ("~=3.11", "3.12.0", "3.10.9"),
            ("~=3.11.0,!=3.11.7", "3.11.6", "3.11.7"),
            ("==3.11.*", "3.11.7", "3.12.0"),
            ("== 3.*", "3.9.1", "4.0.0"),
            ("!=3.11.*", "3.12.0", "3.11.7"),
            ("===3.12.1", "3.12.1", "3.12.2"),
        ] {
            assert!(matches(request, yes), "{request} should match {yes}");
            assert!(!matches(request, no), "{request} should not match {no}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "",
            "latest",
            "3.x",
            "3.12.7.1",
            ">=",
            "~=3",
            "~=3.11.*",
            ">=3.11.*",
            "==3.*.1",
            "3.12.*",
            "3,12",
            "300",
            "3999",
            "t",
            "3.13tt",
            "pypy@3.10",
        ] {
            let error = text.parse::<VersionRequest>().unwrap_err();
            assert!(error.to_string().contains(&format!("\"{text}\"")), "{error}");
        }
    }

    #[test]
    fn a_path_is_one_with_a_separator() {
        assert_eq!("./python3".parse::<VersionRequest>().unwrap(), VersionRequest::Path("./python3".into()));
    }

    #[test]
    fn a_final_version_is_preferred_to_a_newer_candidate() {
        let choices: Vec<Version> = ["3.13.0rc2", "3.12.1", "3.12.7"].iter().map(|v| v.parse().unwrap()).collect();
        let best = |request: &str| *request.parse::<VersionRequest>().unwrap().best(&choices, |v| *v).unwrap();
        assert_eq!(best(">=3.9"), Version::new(3, 12, 7));
        assert_eq!(best("3.13").to_string(), "3.13.0rc2");
    }

    #[test]
    fn shown_as_it_was_asked() {
        for text in
            ["3", "3.12", "3.13.0rc1", ">=3.10,<3.13", "~=3.11.2", "==3.11.*", "3.13t", ">=3.13t", "/usr/bin/python3"]
        {
            assert_eq!(text.parse::<VersionRequest>().unwrap().to_string(), text);
        }
        let id = format!("cpython-3.13.1t-{}", Platform::host());
        assert_eq!(id.parse::<VersionRequest>().unwrap().to_string(), "3.13.1t");
    }

    #[test]
    fn the_nearest_is_of_the_same_series_or_the_next() {
        let choices = ["3.9.25", "3.12.1", "3.12.9", "3.13.0", "3.14.0rc1"].map(|v| v.parse::<Version>().unwrap());
        let nearest = |request: &str| request.parse::<VersionRequest>().unwrap().nearest(&choices).unwrap().to_string();
        for (request, expected) in [
            ("3.8", "3.9.25"),
            ("3.12.77", "3.12.9"),
            ("3.11", "3.12.9"),
            (">=3.99", "3.13.0"),
            ("3.14.0", "3.13.0"),
            ("3.13.5t", "3.13.0"),
        ] {
            assert_eq!(nearest(request), expected, "{request}");
        }
        assert_eq!("3".parse::<VersionRequest>().unwrap().nearest(&[]), None);
    }
}
