//! The environment variables that the product reads. The table in `docs/reference.md` lists the same ones; a test
//! compares both, and looks for variables in the sources that this list does not have.

use std::fmt::Write;

/// A variable for users to set.
pub(crate) struct EnvironmentVariable {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
}

pub(crate) const LOG: &str = "BEEP_PYTHON_LOG";
pub(crate) const PROVIDERS: &str = "BEEP_PYTHON_PROVIDERS";
pub(crate) const BEEP_PYTHON_HOME: &str = "BEEP_PYTHON_HOME";
pub(crate) const TOKEN: &str = "BEEP_PYTHON_TOKEN";
pub(crate) const TOKEN_FILE: &str = "BEEP_PYTHON_TOKEN_FILE";
pub(crate) const NO_COLOR: &str = "NO_COLOR";

pub(crate) const VARIABLES: &[EnvironmentVariable] = &[
    variable(BEEP_PYTHON_HOME, "The folder that keeps all state [default: ~/.beep-python]"),
    variable(
        LOG,
        "What to log, such as `debug` or `info,beep_python_runtime=trace` [default: servers `info`, others `off`]",
    ),
    variable("BEEP_PYTHON_INSTALL_MIRROR", "Download Python runtimes from this URL or folder, as --mirror does"),
    variable("BEEP_PYTHON_CATALOGUE", "The list of runtimes to download, a file or URL, instead of the built-in one"),
    variable("BEEP_PYTHON_UV", "The path of the uv that installs packages, or `never` to use pip"),
    variable(
        "BEEP_PYTHON_LOCK_TIMEOUT",
        "How long to wait while another process changes an environment's packages [default: 1h]",
    ),
    variable(TOKEN, "The token: what servers that are started here take, and clients send"),
    variable(TOKEN_FILE, "A file with the token, where BEEP_PYTHON_TOKEN is not set"),
    variable(
        "BEEP_PYTHON_CA_FILE",
        "The authorities to trust for https:// and grpcs://, in PEM, instead of the system's",
    ),
    variable("BEEP_PYTHON_CERT_FILE", "This client's certificate, in PEM, for servers with --tls-client-ca"),
    variable("BEEP_PYTHON_KEY_FILE", "The key of that certificate, in PEM"),
    variable(PROVIDERS, "A second providers.toml, which takes precedence over the one in the home"),
    variable("BEEP_PYTHON_ACCELERATOR", "`cuda`, `rocm`, `vulkan` or `cpu`, instead of what the machine shows"),
    variable(NO_COLOR, "Turns colors off"),
    variable("HTTPS_PROXY", "Proxy for downloads and packages; also HTTP_PROXY, ALL_PROXY, NO_PROXY"),
    variable("SSL_CERT_FILE", "Certificates of the authorities to trust; also SSL_CERT_DIR, REQUESTS_CA_BUNDLE"),
    variable("PIP_*, UV_*", "The settings of pip and uv; index, certificates, proxy and the like apply to both tools"),
];

/// Variables that one part of the product sets for another.
#[cfg(test)]
const INTERNAL: &[&str] = &["BEEP_PYTHON_COMPLETE", "BEEP_PYTHON_READY_FD"];

const fn variable(name: &'static str, meaning: &'static str) -> EnvironmentVariable {
    EnvironmentVariable { name, meaning }
}

/// The section of `--help`.
pub(crate) fn help_section() -> String {
    let mut text = "Environment variables:\n".to_owned();
    for EnvironmentVariable { name, meaning } in VARIABLES {
        let _ = writeln!(text, "  {name:26} {meaning}");
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn workspace() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// The names that begin with this in a text; the beginning alone is no name.
    const PREFIX: &str = "BEEP_PYTHON_";

    fn names_in(text: &str) -> BTreeSet<String> {
        let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
        let found = text.match_indices(PREFIX).map(|(at, _)| &text[at..]);
        let names = found.map(|rest| &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]);
        names.filter(|name| *name != PREFIX).map(str::to_owned).collect()
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => sources(&path, found),
                Some("rs" | "py") => found.push(path),
                _ => {}
            }
        }
    }

    fn listed() -> BTreeSet<String> {
        let names = VARIABLES.iter().map(|variable| variable.name).chain(INTERNAL.iter().copied());
        names.map(str::to_owned).collect()
    }

    #[test]
    fn every_variable_in_the_sources_is_listed() {
        let mut files = Vec::new();
        for folder in
            ["cli/src", "client/src", "protocol/src", "runtime/src", "runtime/python/beep_python", "server/src"]
        {
            sources(&workspace().join("crates").join(folder), &mut files);
        }
        for file in files {
            let missing: Vec<_> =
                names_in(&fs::read_to_string(&file).unwrap()).difference(&listed()).cloned().collect();
            assert!(missing.is_empty(), "{}: {missing:?}", file.display());
        }
    }

    #[test]
    fn reference_documents_every_variable() {
        let reference = fs::read_to_string(workspace().join("docs/reference.md")).unwrap();
        for name in listed() {
            let name = name.split(',').next().unwrap_or_default().to_owned();
            assert!(reference.contains(&format!("`{name}`")), "docs/reference.md has no {name}");
        }
        let unknown: Vec<_> = names_in(&reference).difference(&listed()).cloned().collect();
        assert!(unknown.is_empty(), "docs/reference.md has {unknown:?}, which nothing reads");
    }
}
