//! Package indexes: translates pip's settings for uv, and uv's for pip.
//!
//! URLs can hold passwords, so all settings are passed in environment variables, which other users cannot read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::scratch::Scratch;
use super::uv_settings;
use crate::environment::layout::clear_python_env;

/// pip's settings by their long names, such as `index-url`: from its files, then from environment variables, which win.
pub(super) struct PipSettings {
    values: BTreeMap<String, String>,
}

impl PipSettings {
    /// The settings that pip would read in the environment at `environment`.
    pub(super) fn load(environment: &Path) -> PipSettings {
        let variable = |name: &str| std::env::var(name).ok();
        let texts = files(environment, &variable).into_iter().filter_map(|path| fs::read_to_string(path).ok());
        PipSettings::of(
            texts,
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    fn of(files: impl Iterator<Item = String>, variables: impl Iterator<Item = (String, String)>) -> PipSettings {
        let mut values = BTreeMap::new();
        let files: Vec<_> = files.map(|text| parse(&text)).collect();
        for section in ["global", "install"] {
            for (_, key, value) in files.iter().flatten().filter(|(of, ..)| of == section) {
                values.insert(key.clone(), value.clone());
            }
        }
        for (name, value) in variables {
            if let Some(key) = name.strip_prefix("PIP_").filter(|_| !value.is_empty()) {
                values.insert(key.to_lowercase().replace('_', "-"), value);
            }
        }
        PipSettings { values }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| matches!(&*value.to_lowercase(), "1" | "true" | "yes" | "on" | "y" | "t"))
    }

    fn words(&self, key: &str) -> Vec<&str> {
        self.get(key).map(|value| value.split_whitespace().collect()).unwrap_or_default()
    }

    /// These settings as environment variables and arguments of uv. Settings made for uv itself win.
    fn for_uv(&self, is_set: &dyn Fn(&str) -> bool) -> (Vec<(&'static str, String)>, Vec<String>) {
        let (mut variables, mut arguments) = (Vec::new(), Vec::new());
        let mut set = |unless: &[&str], name: &'static str, value: Option<String>| {
            if let Some(value) = value.filter(|_| !is_set(name) && !unless.iter().any(|name| is_set(name))) {
                variables.push((name, value));
            }
        };
        let one = |key: &str| self.get(key).map(str::to_owned);
        let all = |key: &str, between: &str| Some(self.words(key).join(between)).filter(|words| !words.is_empty());
        if self.is_on("no-index") {
            arguments.push("--no-index".to_owned());
        } else {
            // These names are known to every version of uv.
            set(&["UV_DEFAULT_INDEX"], "UV_INDEX_URL", one("index-url"));
            set(&["UV_INDEX"], "UV_EXTRA_INDEX_URL", all("extra-index-url", " "));
            // As pip does: the best version of all indexes, not the first index that has the package.
            let strategy = (!self.words("extra-index-url").is_empty()).then(|| "unsafe-best-match".to_owned());
            set(&["UV_INDEX", "UV_EXTRA_INDEX_URL"], "UV_INDEX_STRATEGY", strategy);
        }
        set(&[], "UV_FIND_LINKS", all("find-links", ","));
        set(&[], "UV_INSECURE_HOST", all("trusted-host", " "));
        set(&[], "UV_HTTP_TIMEOUT", one("timeout").or(one("default-timeout")));
        set(&[], "UV_CONSTRAINT", all("constraint", " "));
        set(&[], "UV_PRERELEASE", self.is_on("pre").then(|| "allow".to_owned()));
        set(&[], "UV_REQUIRE_HASHES", self.is_on("require-hashes").then(|| "true".to_owned()));
        set(&[], "SSL_CERT_FILE", one("cert"));
        set(&[], "SSL_CLIENT_CERT", one("client-cert"));
        let proxy = self.get("proxy").map(|proxy| match proxy.contains("://") {
            true => proxy.to_owned(),
            false => format!("http://{proxy}"),
        });
        set(&["http_proxy"], "HTTP_PROXY", proxy.clone());
        set(&["https_proxy"], "HTTPS_PROXY", proxy);
        for (key, argument) in [("only-binary", "--only-binary"), ("no-binary", "--no-binary")] {
            for word in self.words(key).iter().flat_map(|words| words.split(',')) {
                arguments.extend([argument.to_owned(), word.to_owned()]);
            }
        }
        (variables, arguments)
    }

    /// uv's settings as environment variables of pip, where pip has none of its own.
    fn of_uv(&self, variable: &dyn Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
        let first = |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
        let plain = |value: String| {
            // An index of uv can have a name: `name=URL`.
            let address = |word: &str| match word.split_once('=') {
                Some((name, address)) if !name.contains([':', '/']) => address.to_owned(),
                _ => word.to_owned(),
            };
            value.split_whitespace().map(address).collect::<Vec<_>>().join(" ")
        };
        let is_on =
            |name: &str, of: &[&str]| first(&[name]).filter(|value| of.contains(&value.as_str())).map(|_| "1".into());
        let candidates = [
            ("no-index", "PIP_NO_INDEX", is_on("UV_NO_INDEX", &["1", "true"])),
            ("pre", "PIP_PRE", is_on("UV_PRERELEASE", &["allow"])),
            ("timeout", "PIP_TIMEOUT", first(&["UV_HTTP_TIMEOUT"]).filter(|_| self.get("default-timeout").is_none())),
            ("client-cert", "PIP_CLIENT_CERT", first(&["SSL_CLIENT_CERT"])),
            ("index-url", "PIP_INDEX_URL", first(&["UV_DEFAULT_INDEX", "UV_INDEX_URL"]).map(plain)),
            ("extra-index-url", "PIP_EXTRA_INDEX_URL", first(&["UV_INDEX", "UV_EXTRA_INDEX_URL"]).map(plain)),
            ("find-links", "PIP_FIND_LINKS", first(&["UV_FIND_LINKS"]).map(|value| value.replace(',', " "))),
            ("trusted-host", "PIP_TRUSTED_HOST", first(&["UV_INSECURE_HOST"])),
            ("constraint", "PIP_CONSTRAINT", first(&["UV_CONSTRAINT"])),
            ("cert", "PIP_CERT", first(&["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])),
        ];
        let missing = candidates.into_iter().filter(|(key, ..)| self.get(key).is_none());
        missing.filter_map(|(_, name, value)| Some((name, value?))).collect()
    }
}

/// Settings of pip, by their long names, that would put packages elsewhere, or say other things than what is asked.
const ELSEWHERE: [&str; 11] = [
    "dry-run",
    "log",
    "prefix",
    "python",
    "quiet",
    "report",
    "require-virtualenv",
    "root",
    "target",
    "user",
    "verbose",
];

/// Passes pip's settings to uv, and removes variables that would redirect it to another environment.
pub(super) fn configure_uv(command: &mut Command, environment: &Path) {
    clear_python_env(command);
    let variable = |name: &str| std::env::var(name).ok();
    let of_files = uv_settings::load(&variable);
    let is_set =
        |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty()) || of_files.contains_key(name);
    let (variables, arguments) = PipSettings::load(environment).for_uv(&is_set);
    command.args(arguments).envs(variables);
    let bundle = std::env::var_os("REQUESTS_CA_BUNDLE").filter(|_| !is_set("SSL_CERT_FILE") && !is_set("PIP_CERT"));
    command.envs(bundle.map(|bundle| ("SSL_CERT_FILE", bundle)));
    for name in
        ["PYTHON", "SYSTEM_PYTHON", "BREAK_SYSTEM_PACKAGES", "TARGET", "PREFIX", "WORKING_DIR", "WORKING_DIRECTORY"]
    {
        command.env_remove(format!("UV_{name}"));
    }
    command.env_remove("VIRTUAL_ENV").env_remove("CONDA_PREFIX");
    // The project in the working folder has no say: the environment is not its own.
    command.env("UV_PROJECT", "/");
    match uv_settings::without_elsewhere(&variable) {
        None => {}
        Some(text) => {
            let file = environment.join(Scratch::NAME).join("uv.toml");
            match fs::write(&file, text) {
                Ok(()) => drop(command.env("UV_CONFIG_FILE", file)),
                Err(error) => tracing::warn!("cannot write {}: {error}", file.display()),
            }
        }
    }
}

/// Passes uv's settings to pip, and removes variables that would redirect it to another environment.
pub(super) fn configure_pip(command: &mut Command, environment: &Path) {
    clear_python_env(command);
    let variable = |name: &str| std::env::var(name).ok();
    let of_files = uv_settings::load(&variable);
    let settings = PipSettings::load(environment);
    command.envs(settings.of_uv(&|name| variable(name).or_else(|| of_files.get(name).cloned())));
    // A pip that trusts the system's store takes other certificates only from the system's variable.
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let bundle = settings.get("cert").map(str::to_owned).or_else(|| set("REQUESTS_CA_BUNDLE"));
    command.envs(bundle.filter(|_| set("SSL_CERT_FILE").is_none()).map(|bundle| ("SSL_CERT_FILE", bundle)));
    // pip's files cannot be overruled in part, so it gets what they say in variables.
    command.env("PIP_CONFIG_FILE", "/dev/null");
    let name_of = |key: &str| format!("PIP_{}", key.to_uppercase().replace('-', "_"));
    for (key, value) in settings.values.iter().filter(|(key, _)| *key != "config-file") {
        command.env(name_of(key), value);
    }
    for key in ELSEWHERE {
        command.env_remove(name_of(key));
    }
    // A user install would be refused in a virtual environment.
    command.env("PIP_USER", "0");
}

/// The files that pip reads, the most general first.
fn files(environment: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let named = set("PIP_CONFIG_FILE");
    if named.as_deref() == Some("/dev/null") {
        return Vec::new();
    }
    let shared = set("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg".into());
    let mut files: Vec<PathBuf> = shared.split(':').map(|folder| Path::new(folder).join("pip/pip.conf")).collect();
    files.push("/etc/pip.conf".into());
    if let Some(home) = set("HOME").map(PathBuf::from) {
        files.push(home.join(".pip/pip.conf"));
        files.push(set("XDG_CONFIG_HOME").map_or(home.join(".config"), PathBuf::from).join("pip/pip.conf"));
    }
    files.push(environment.join("pip.conf"));
    files.extend(named.map(PathBuf::from));
    files
}

/// Section, key and value of each entry of a configuration file. An indented line continues the value before.
fn parse(text: &str) -> Vec<(String, String, String)> {
    let mut entries: Vec<(String, String, String)> = Vec::new();
    let mut section = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let (true, Some((_, _, value))) = (line.starts_with([' ', '\t']), entries.last_mut()) {
            value.push('\n');
            value.push_str(trimmed);
        } else if let Some(name) = trimmed.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            section = name.trim().to_owned();
        } else if let Some(at) = trimmed.find(['=', ':']) {
            let key = trimmed[..at].trim().trim_start_matches("--").to_lowercase().replace('_', "-");
            entries.push((section.clone(), key, trimmed[at + 1..].trim().to_owned()));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(files: &[&str], variables: &[(&str, &str)]) -> PipSettings {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        PipSettings::of(files.iter().map(|text| (*text).to_owned()), variables)
    }

    fn for_uv(settings: &PipSettings, set: &[&str]) -> BTreeMap<&'static str, String> {
        settings.for_uv(&|name| set.contains(&name)).0.into_iter().collect()
    }

    #[test]
    fn what_is_set_for_pip_is_told_to_uv() {
        let settings = settings(
            &[
                "[global]\nindex-url = https://one.test/simple\ncert=/a.pem\n# no\nfind_links =\n    /w1\n    /w2\n",
                "[install]\nextra-index-url: https://two.test/simple\n[list]\nindex-url = x\n[global]\ntimeout = 7\n",
            ],
            &[("PIP_CERT", "/b.pem"), ("PIP_PROXY", "proxy.test:3128"), ("PIP_TIMEOUT", ""), ("OTHER", "x")],
        );
        let told = for_uv(&settings, &[]);
        let expected = [
            ("HTTPS_PROXY", "http://proxy.test:3128"),
            ("HTTP_PROXY", "http://proxy.test:3128"),
            ("SSL_CERT_FILE", "/b.pem"),
            ("UV_EXTRA_INDEX_URL", "https://two.test/simple"),
            ("UV_FIND_LINKS", "/w1,/w2"),
            ("UV_HTTP_TIMEOUT", "7"),
            ("UV_INDEX_STRATEGY", "unsafe-best-match"),
            ("UV_INDEX_URL", "https://one.test/simple"),
        ];
        assert_eq!(told, expected.into_iter().map(|(name, value)| (name, value.to_owned())).collect());
        let told =
            for_uv(&settings, &["UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE", "https_proxy"]);
        assert_eq!(told.into_keys().collect::<Vec<_>>(), ["HTTP_PROXY", "UV_HTTP_TIMEOUT"]);
    }

    #[test]
    fn switches_become_arguments() {
        let settings = settings(
            &[],
            &[
                ("PIP_NO_INDEX", "1"),
                ("PIP_ONLY_BINARY", ":all:"),
                ("PIP_INDEX_URL", "https://one.test"),
                ("PIP_PRE", "0"),
            ],
        );
        let (variables, arguments) = settings.for_uv(&|_| false);
        assert_eq!((variables, arguments), (vec![], ["--no-index", "--only-binary", ":all:"].map(String::from).into()));
    }

    #[test]
    fn what_is_set_for_uv_is_told_to_pip() {
        let uv = |name: &str| match name {
            "UV_DEFAULT_INDEX" => Some("mine=https://one.test/simple?a=b".to_owned()),
            "UV_INDEX" => Some("https://two.test/?x=1 other=https://three.test".to_owned()),
            "UV_FIND_LINKS" => Some("/w1,/w2".to_owned()),
            _ => None,
        };
        let told = settings(&[], &[("PIP_FIND_LINKS", "/mine")]).of_uv(&uv);
        let expected = [
            ("PIP_INDEX_URL", "https://one.test/simple?a=b"),
            ("PIP_EXTRA_INDEX_URL", "https://two.test/?x=1 https://three.test"),
        ];
        assert_eq!(told, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_named_file_comes_last_and_the_null_device_turns_all_off() {
        let with = |file: &'static str| move |name: &str| (name == "PIP_CONFIG_FILE").then(|| file.to_owned());
        assert_eq!(files(Path::new("/e"), &with("/my.conf")).last().unwrap(), Path::new("/my.conf"));
        assert!(files(Path::new("/e"), &with("/dev/null")).is_empty());
    }
}
