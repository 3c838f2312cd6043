//! uv's configuration files, as its environment variables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The settings about package indexes in uv's files. The user's file wins over the machine's.
pub(super) fn load(variable: &dyn Fn(&str) -> Option<String>) -> BTreeMap<&'static str, String> {
    let texts = files(variable).into_iter().filter_map(|path| fs::read_to_string(path).ok());
    let mut settings = BTreeMap::new();
    for table in texts.filter_map(|text| toml::from_str::<Table>(&text).ok()) {
        settings.extend(of(&table));
    }
    settings
}

/// Settings of `uv pip` that would put packages elsewhere, or make them those of another Python.
const ELSEWHERE: [&str; 7] =
    ["output-file", "prefix", "python", "python-platform", "python-version", "system", "target"];

/// The settings in uv's files without those that lead elsewhere; `None` where none does. No option overrules them.
pub(super) fn without_elsewhere(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let texts = files(variable).into_iter().filter_map(|path| fs::read_to_string(path).ok());
    without(texts.filter_map(|text| toml::from_str(&text).ok()))
}

fn without(tables: impl Iterator<Item = Table>) -> Option<String> {
    let (mut all, mut pip, mut leads) = (Table::new(), Table::new(), false);
    for mut table in tables {
        if let Some(Value::Table(own)) = table.remove("pip") {
            leads |= ELSEWHERE.iter().any(|key| own.contains_key(*key));
            pip.extend(own.into_iter().filter(|(key, _)| !ELSEWHERE.contains(&key.as_str())));
        }
        all.extend(table);
    }
    all.insert("pip".into(), Value::Table(pip));
    leads.then(|| toml::to_string(&all).unwrap_or_default())
}

fn files(variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if set("UV_NO_CONFIG").is_some_and(|value| !matches!(value.as_str(), "0" | "false")) {
        return Vec::new();
    }
    if let Some(file) = set("UV_CONFIG_FILE") {
        return vec![file.into()];
    }
    let shared = set("XDG_CONFIG_DIRS").unwrap_or("/etc/xdg".into());
    let mut files = vec![PathBuf::from("/etc/uv/uv.toml")];
    files.extend(shared.split(':').map(|folder| Path::new(folder).join("uv/uv.toml")));
    let own = set("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&set("HOME")?).join(".config")));
    files.extend(own.map(|folder| folder.join("uv/uv.toml")));
    files
}

fn of(table: &Table) -> BTreeMap<&'static str, String> {
    let mut settings = BTreeMap::new();
    // Settings of `uv pip` win over those of all of uv.
    for table in [Some(table), table.get("pip").and_then(Value::as_table)].into_iter().flatten() {
        let mut set = |name, value: Option<String>| settings.extend(value.filter(|v| !v.is_empty()).map(|v| (name, v)));
        let words = |key: &str| match table.get(key) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(word)) => vec![word.as_str()],
            _ => Vec::new(),
        };
        let indexes = table.get("index").and_then(Value::as_array).into_iter().flatten();
        let (default, others): (Vec<&Value>, Vec<&Value>) = indexes
            .filter(|index| index.get("explicit").and_then(Value::as_bool) != Some(true))
            .partition(|index| index.get("default").and_then(Value::as_bool) == Some(true));
        let url = |index: &&Value| index.get("url").and_then(Value::as_str).map(str::to_owned);
        let first = default.iter().find_map(url).or_else(|| words("index-url").first().map(|word| (*word).to_owned()));
        set("UV_DEFAULT_INDEX", first);
        let extra = words("extra-index-url").into_iter().map(str::to_owned);
        set("UV_INDEX", Some(others.iter().filter_map(url).chain(extra).collect::<Vec<_>>().join(" ")));
        set("UV_FIND_LINKS", Some(words("find-links").join(",")));
        set("UV_INSECURE_HOST", Some(words("allow-insecure-host").join(" ")));
        set("UV_NO_INDEX", table.get("no-index").and_then(Value::as_bool).filter(|on| *on).map(|_| "1".into()));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_say_has_the_names_of_the_variables() {
        let text = "index-url = \"https://old\"\nfind-links = [\"/a\", \"/b\"]\nno-index = true\n\
            [[index]]\nname = \"one\"\nurl = \"https://one\"\ndefault = true\n[[index]]\nurl = \"https://two\"\n\
            [[index]]\nurl = \"https://never\"\nexplicit = true\n[pip]\nfind-links = [\"/c\"]\n";
        let expected = [
            ("UV_DEFAULT_INDEX", "https://one"),
            ("UV_FIND_LINKS", "/c"),
            ("UV_INDEX", "https://two"),
            ("UV_NO_INDEX", "1"),
        ];
        assert_eq!(of(&toml::from_str(text).unwrap()), expected.map(|(name, value)| (name, value.to_owned())).into());
        let user = "native-tls = true\n[pip]\ntarget = \"/t\"\nno-build = true\n";
        let tables = ["offline = true\n", user].map(|text| toml::from_str(text).unwrap());
        let left: Table = toml::from_str(&without(tables.into_iter()).unwrap()).unwrap();
        let expected = "offline = true\nnative-tls = true\n[pip]\nno-build = true\n";
        assert_eq!(left, toml::from_str(expected).unwrap());
        assert_eq!(without([toml::from_str(text).unwrap()].into_iter()), None);
        let none = |name: &str| (name == "UV_NO_CONFIG").then(|| "1".to_owned());
        assert!(files(&none).is_empty());
        let one = |name: &str| (name == "UV_CONFIG_FILE").then(|| "/my.toml".to_owned());
        assert_eq!(files(&one), [PathBuf::from("/my.toml")]);
    }
}
