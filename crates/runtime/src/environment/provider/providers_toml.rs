//! `providers.toml`: the requirements of providers and engines.
//!
//! ```toml
//! rocm-environments = "model"            # or "single", "family": which models share an environment with ROCm
//!
//! [provider.huggingface]
//! packages = ["transformers>=4.40", "numpy"]
//! optional = ["hf-transfer"]             # a failure to install these is ignored
//! python = "3.12"
//! environment = { HF_HUB_OFFLINE = "1" } # variables for builds, servers and workers
//! cpu = ["torch==2.5.1+cpu"]             # additional packages without an accelerator
//!
//! [provider.huggingface.cuda]            # a table takes packages, optional and environment
//! packages = ["torch"]
//! environment = { CMAKE_ARGS = "-DGGML_CUDA=on" }
//!
//! [engine.llamacpp]                      # engines take the same keys
//! packages = ["llama-cpp-python"]
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::accelerator::Accelerator;
use super::naming::RocmStrategy;
use crate::environment::name::check_environment_name;
use crate::environment::package::requirement::Requirements;
use crate::interpreter::VersionRequest;

const TOP: [&str; 3] = ["provider", "engine", "rocm-environments"];
const KEYS: [&str; 8] = ["packages", "optional", "python", "environment", "cuda", "rocm", "vulkan", "cpu"];
const VARIANT_KEYS: [&str; 3] = ["packages", "optional", "environment"];

/// A parsed `providers.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProvidersFile {
    pub(super) providers: BTreeMap<String, Provider>,
    pub(super) engines: BTreeMap<String, Provider>,
    pub(super) strategy: Option<RocmStrategy>,
}

/// A provider or engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Provider {
    pub(super) always: Dependencies,
    pub(super) variants: Vec<(Accelerator, Dependencies)>,
    pub(super) python: Option<VersionRequest>,
}

/// Requirements that apply always, or with one accelerator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dependencies {
    pub(super) packages: Vec<String>,
    pub(super) optional: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
}

/// A mistake: its bytes in the file, and what is wrong.
struct ParseError {
    span: Range<usize>,
    reason: String,
}

type Value<'a> = Spanned<DeValue<'a>>;

/// Parses a file. A mistake is returned with its line, from 1.
pub(super) fn read(text: &str) -> Result<ProvidersFile, (usize, String)> {
    let with_line = |mistake: ParseError| {
        let before = mistake.span.start.min(text.len());
        (1 + text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count(), mistake.reason)
    };
    let document = DeTable::parse(text).map_err(|error| {
        let lines = error.message().lines().map(str::trim).filter(|line| !line.is_empty());
        let reason = lines.collect::<Vec<_>>().join("; ");
        with_line(ParseError { span: error.span().unwrap_or(0..0), reason })
    })?;
    file(document.get_ref()).map_err(with_line)
}

fn file(table: &DeTable<'_>) -> Result<ProvidersFile, ParseError> {
    let mut providers = ProvidersFile::default();
    for (key, value) in entries(table) {
        match known_key(key, &TOP, "the file")? {
            "provider" => providers.providers = owners(value, "provider")?,
            "engine" => providers.engines = owners(value, "engine")?,
            _ => providers.strategy = Some(parsed(value, "how environments are shared")?),
        }
    }
    Ok(providers)
}

fn owners(value: &Value<'_>, kind: &str) -> Result<BTreeMap<String, Provider>, ParseError> {
    let expected = format!("expected a table for each {kind}, such as [{kind}.name]");
    let mut found = BTreeMap::new();
    for (name, value) in entries(table(value, &expected)?) {
        check_environment_name(name.get_ref()).map_err(|error| at(name.span(), error.to_string()))?;
        found.insert(name.get_ref().to_string(), provider(value, &format!("[{kind}.{}]", name.get_ref()))?);
    }
    Ok(found)
}

fn provider(value: &Value<'_>, place: &str) -> Result<Provider, ParseError> {
    let mut provider = Provider::default();
    for (key, value) in entries(table(value, &format!("expected the table {place}"))?) {
        match known_key(key, &KEYS, place)? {
            "packages" => provider.always.packages = packages(value)?,
            "optional" => provider.always.optional = packages(value)?,
            "environment" => provider.always.environment = variables(value)?,
            "python" => provider.python = Some(parsed(value, "a version of Python")?),
            accelerator => {
                let accelerator = accelerator.parse().map_err(|reason| at(key.span(), reason))?;
                provider.variants.push((accelerator, dependencies(value, &format!("{place} with {accelerator}"))?));
            }
        }
    }
    Ok(provider)
}

/// A list of packages, or a table with more.
fn dependencies(value: &Value<'_>, place: &str) -> Result<Dependencies, ParseError> {
    if value.get_ref().is_array() {
        return Ok(Dependencies { packages: packages(value)?, ..Dependencies::default() });
    }
    let mut share = Dependencies::default();
    for (key, value) in
        entries(table(value, "expected a list of packages, or a table with packages, optional and environment")?)
    {
        match known_key(key, &VARIANT_KEYS, place)? {
            "packages" => share.packages = packages(value)?,
            "optional" => share.optional = packages(value)?,
            _ => share.environment = variables(value)?,
        }
    }
    Ok(share)
}

fn packages(value: &Value<'_>) -> Result<Vec<String>, ParseError> {
    const EXPECTED: &str = "expected a list of packages, such as [\"numpy>=2\", \"six\"]";
    let list = value.get_ref().as_array().ok_or_else(|| wrong_type(value, EXPECTED))?;
    let each = list.iter().map(|value| {
        let text = value.get_ref().as_str().ok_or_else(|| wrong_type(value, EXPECTED))?;
        Requirements::new([text]).map_err(|error| at(value.span(), error.to_string()))?;
        Ok(text.to_owned())
    });
    each.collect()
}

fn variables(value: &Value<'_>) -> Result<BTreeMap<String, String>, ParseError> {
    let mut found = BTreeMap::new();
    for (name, value) in entries(table(value, "expected a table of variables, such as { NAME = \"value\" }")?) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let text = name.get_ref();
        if text.is_empty() || !text.chars().all(plain) || text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(at(
                name.span(),
                format!("{text:?} is not the name of a variable: expected letters, digits and _"),
            ));
        }
        let value = value
            .get_ref()
            .as_str()
            .filter(|value| !value.contains('\0'))
            .ok_or_else(|| wrong_type(value, &format!("expected the value of {text} in quotes")))?;
        found.insert(text.to_string(), value.to_owned());
    }
    Ok(found)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(value: &Value<'_>, what: &str) -> Result<T, ParseError> {
    let text = value.get_ref().as_str().ok_or_else(|| wrong_type(value, &format!("expected {what}, in quotes")))?;
    text.parse().map_err(|error: T::Err| at(value.span(), error.to_string()))
}

fn table<'a, 'b>(value: &'b Value<'a>, expected: &str) -> Result<&'b DeTable<'a>, ParseError> {
    value.get_ref().as_table().ok_or_else(|| wrong_type(value, expected))
}

/// A table's entries in the order of the file, so that the first mistake is reported.
fn entries<'a, 'b>(table: &'b DeTable<'a>) -> Vec<(&'b Spanned<Cow<'a, str>>, &'b Value<'a>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// The key, if it is one of these; else a mistake, which suggests a similar key.
fn known_key(key: &Spanned<Cow<'_, str>>, keys: &[&'static str], place: &str) -> Result<&'static str, ParseError> {
    if let Some(found) = keys.iter().find(|known| **known == key.get_ref()) {
        return Ok(found);
    }
    let (last, rest) = keys.split_last().expect("there are keys");
    let list = format!("expected {} or {last}", rest.join(", "));
    let near = keys.iter().find(|known| resemble(known, key.get_ref()));
    let meant = near.map(|near| format!("; {near} is probably meant")).unwrap_or_default();
    Err(at(key.span(), format!("{place} takes no \"{}\": {list}{meant}", key.get_ref())))
}

/// Whether the words differ in one or two letters.
pub(super) fn resemble(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().take(40).collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let replaced = before + usize::from(a != b);
            before = row[j + 1];
            row[j + 1] = replaced.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()] <= 2
}

fn wrong_type(value: &Value<'_>, expected: &str) -> ParseError {
    at(value.span(), format!("{expected}, and not {}", with_article(value.get_ref().type_str())))
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn at(span: Range<usize>, reason: String) -> ParseError {
    ParseError { span, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_can_be_said_is_read() {
        let text = "rocm-environments = \"family\"\n\
            [provider.hf]\npackages = [\"a>1\", \"b\"]\noptional = [\"o\"]\npython = \">=3.10\"\n\
            environment = { HF_HOME = \"/x\" }\ncpu = [\"d\"]\n\
            [provider.hf.cuda]\npackages = [\"c\"]\nenvironment = { CMAKE_ARGS = \"-DX=on\" }\n\
            [engine.llama]\npackages = [\"e\"]\n";
        let file = read(text).unwrap();
        assert_eq!(file.strategy, Some(RocmStrategy::Family));
        let hf = &file.providers["hf"];
        assert_eq!(
            (hf.always.packages.clone(), hf.always.optional.clone()),
            (vec!["a>1".into(), "b".into()], vec!["o".into()])
        );
        assert_eq!(hf.always.environment["HF_HOME"], "/x");
        assert_eq!(hf.python, Some(">=3.10".parse().unwrap()));
        assert_eq!(hf.variants.len(), 2);
        let cuda = &hf.variants.iter().find(|(of, _)| *of == Accelerator::Cuda).unwrap().1;
        assert_eq!((cuda.packages.clone(), cuda.environment["CMAKE_ARGS"].as_str()), (vec!["c".into()], "-DX=on"));
        assert_eq!(file.engines["llama"].always.packages, ["e"]);
        assert_eq!(read("").unwrap(), ProvidersFile::default());
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_what_was_expected() {
        for (text, line, said) in [
            ("[provider.hf]\n\npakages = []\n", 3, "[provider.hf] takes no \"pakages\": expected packages, optional"),
            ("[provider.hf]\n\npakages = []\n", 3, "; packages is probably meant"),
            (
                "[providers.hf]\n",
                1,
                "takes no \"providers\": expected provider, engine or rocm-environments; provider is",
            ),
            (
                "[provider.hf]\npackages = \"six\"\n",
                2,
                "expected a list of packages, such as [\"numpy>=2\", \"six\"], and not a string",
            ),
            ("[provider.hf]\npackages = [\n  \"six\",\n  \"six=\",\n]\n", 4, "\"six=\" is not a requirement"),
            ("[provider.hf]\npackages = [1]\n", 2, "and not an integer"),
            ("[provider.other]\n\n\npython = \"three\"\n", 4, "three"),
            ("[provider.other]\npython = 3.12\n", 2, "expected a version of Python, in quotes, and not a float"),
            ("[provider.hf\n", 1, "expected `]`"),
            ("x = 1\n[provider.hf]\ncuda = [\"--pre\"]\n", 1, "takes no \"x\""),
            ("[provider.hf]\ncuda = [\"--pre\"]\n", 2, "options are not accepted"),
            ("[provider.hf]\ncuda = 7\n", 2, "expected a list of packages, or a table"),
            ("[provider.hf.cuda]\npython = \"3.12\"\n", 2, "[provider.hf] with cuda takes no \"python\""),
            ("[provider.hf]\nenvironment = { A = 1 }\n", 2, "expected the value of A in quotes, and not an integer"),
            ("[provider.hf]\nenvironment = { \"A B\" = \"\" }\n", 2, "is not the name of a variable"),
            ("[provider.\"../x\"]\n", 1, "cannot name an environment"),
            ("rocm-environments = \"one\"\n", 1, "none of \"single\", \"family\" and \"model\""),
            ("[provider]\nhf = []\n", 2, "expected the table [provider.hf], and not an array"),
            ("[provider.a]\n[provider.a]\n", 2, "duplicate"),
        ] {
            let (at, reason) = read(text).unwrap_err();
            assert_eq!(at, line, "{text:?}: {reason}");
            assert!(reason.contains(said), "{text:?}: {reason}");
            assert!(!reason.contains('\n'));
        }
    }
}
