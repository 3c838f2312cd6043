//! What providers need, as `providers.toml` in the home says it.
//!
//! ```toml
//! [provider.huggingface]
//! packages = ["transformers>=4.40", "numpy"]
//! cuda = ["torch"]                  # beside the packages, where there is such an accelerator
//! cpu = ["torch==2.5.1+cpu"]
//! python = "3.12"
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::Accelerator;
use crate::environment::Requirements;
use crate::interpreter::VersionRequest;
use crate::platform::{FileError, failed_to};

/// The file's name, in the home.
const FILE: &str = "providers.toml";

/// What is wrong with `providers.toml`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvidersError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It says something that it cannot.
    #[error("{}:{line}: {reason}", path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there, and what was expected.
        reason: String,
    },
}

/// What one provider needs on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) packages: Requirements,
    pub(super) python: Option<VersionRequest>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    provider: BTreeMap<String, Provider>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Provider {
    packages: Vec<Spanned<String>>,
    cuda: Vec<Spanned<String>>,
    rocm: Vec<Spanned<String>>,
    vulkan: Vec<Spanned<String>>,
    cpu: Vec<Spanned<String>>,
    python: Option<Spanned<String>>,
}

impl Needs {
    /// What `provider` needs; nothing where the file does not name it, or is not there. All of the file must be right.
    pub(super) fn of(home: &Path, provider: &str, accelerator: Accelerator) -> Result<Needs, ProvidersError> {
        let path = home.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => read(&text, provider, accelerator).map_err(|(line, reason)| ProvidersError::Mistake {
                path,
                line,
                reason,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Needs::default()),
            Err(error) => Err(failed_to("read", &path)(error).into()),
        }
    }
}

/// A mistake is told with its line.
fn read(text: &str, wanted: &str, accelerator: Accelerator) -> Result<Needs, (usize, String)> {
    let line = |span: Option<Range<usize>>| {
        let before = span.map_or(0, |span| span.start.min(text.len()));
        1 + text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count()
    };
    let document: Document = toml::from_str(text).map_err(|error| (line(error.span()), one_line(error.message())))?;
    let mut needs = Needs::default();
    for (name, provider) in &document.provider {
        let variants = [
            (Accelerator::Cuda, &provider.cuda),
            (Accelerator::Rocm, &provider.rocm),
            (Accelerator::Vulkan, &provider.vulkan),
            (Accelerator::Cpu, &provider.cpu),
        ];
        for package in provider.packages.iter().chain(variants.iter().flat_map(|(_, packages)| *packages)) {
            Requirements::new([package.get_ref()]).map_err(|error| (line(Some(package.span())), error.to_string()))?;
        }
        let python = provider.python.as_ref().map(|python| {
            let wrong = |reason: &dyn std::fmt::Display| (line(Some(python.span())), reason.to_string());
            python.get_ref().parse::<VersionRequest>().map_err(|error| wrong(&error))
        });
        let python = python.transpose()?;
        if name == wanted {
            let variant = variants.iter().filter(|(of, _)| *of == accelerator).flat_map(|(_, packages)| *packages);
            let packages = provider.packages.iter().chain(variant).map(|package| package.get_ref());
            needs = Needs { packages: Requirements::new(packages).unwrap_or_default(), python };
        }
    }
    Ok(needs)
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[provider.hf]\npackages = [\"a>1\", \"b\"]\ncuda = [\"c\"]\ncpu = [\"d\"]\npython = \"3.12\"\n";

    #[test]
    fn a_provider_gets_its_packages_and_those_of_the_accelerator() {
        let cuda = read(GOOD, "hf", Accelerator::Cuda).unwrap();
        assert_eq!(cuda.packages, Requirements::new(["a>1", "b", "c"]).unwrap());
        assert_eq!(cuda.python, Some("3.12".parse().unwrap()));
        let rocm = read(GOOD, "hf", Accelerator::Rocm).unwrap();
        assert_eq!(rocm.packages, Requirements::new(["a>1", "b"]).unwrap());
        assert_eq!(read(GOOD, "other", Accelerator::Cpu).unwrap(), Needs::default());
        assert_eq!(read("", "hf", Accelerator::Cpu).unwrap(), Needs::default());
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_what_was_expected() {
        for (text, line, said) in [
            ("[provider.hf]\n\npakages = []\n", 3, "expected one of `packages`, `cuda`"),
            ("[providers.hf]\n", 1, "expected `provider`"),
            ("[provider.hf]\npackages = \"six\"\n", 2, "expected a sequence"),
            ("[provider.hf]\npackages = [\n  \"six\",\n  \"six=\",\n]\n", 4, "\"six=\" is not a requirement"),
            ("[provider.hf]\npackages = [1]\n", 2, "expected a string"),
            ("[provider.other]\n\n\npython = \"three\"\n", 4, "three"),
            ("[provider.hf\n", 1, "expected `]`"),
            ("x = 1\n[provider.hf]\ncuda = [\"--pre\"]\n", 1, "unknown field `x`"),
            ("[provider.hf]\ncuda = [\"--pre\"]\n", 2, "options are not taken"),
        ] {
            let (at, reason) = read(text, "hf", Accelerator::Cpu).unwrap_err();
            assert_eq!(at, line, "{text:?}: {reason}");
            assert!(reason.contains(said), "{text:?}: {reason}");
            assert!(!reason.contains('\n'));
        }
    }
}
