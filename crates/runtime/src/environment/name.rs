//! Names of environments.

use sha2::{Digest, Sha256};

use super::error::EnvironmentError;

/// The maximum length of a name, in bytes.
const LONGEST: usize = 100;

/// Checks that `name` can name an environment: letters, digits, `.`, `_` and `-`, a letter or digit first, 100 at most.
pub fn check_environment_name(name: &str) -> Result<(), EnvironmentError> {
    let reason = if name.is_empty() {
        "it is empty".to_owned()
    } else if name.len() > LONGEST {
        format!("it is {} bytes long, and {LONGEST} are allowed", name.len())
    } else if let Some(odd) = name.chars().find(|c| !is_plain(*c)) {
        format!("it contains {odd:?}; letters, digits, \".\", \"_\" and \"-\" are allowed")
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "it must begin with a letter or a digit".to_owned()
    } else {
        return Ok(());
    };
    Err(EnvironmentError::InvalidName { name: name.chars().take(2 * LONGEST).collect(), reason })
}

/// The name of a provider's environment: `huggingface`, or with a model `huggingface-qwen-qwen3-8b`.
///
/// The provider must be a valid name. The model is made into one: lower case, with a dash for each run of other
/// characters. A result that is too long is truncated and ends in a part of its hash.
pub fn provider_environment_name(provider: &str, model: Option<&str>) -> Result<String, EnvironmentError> {
    check_environment_name(provider)?;
    let Some(slug) = model.map(slug).filter(|slug| !slug.is_empty()) else { return Ok(provider.to_owned()) };
    let mut name = format!("{provider}-{slug}");
    if name.len() > LONGEST {
        let hash = Sha256::digest(name.as_bytes());
        name.truncate(LONGEST - 9);
        name.push('-');
        name.extend(hash[..4].iter().map(|byte| format!("{byte:02x}")));
    }
    check_environment_name(&name)?;
    Ok(name)
}

fn slug(model: &str) -> String {
    let mut slug = String::new();
    for c in model.chars() {
        if c != '-' && is_plain(c) {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches(['-', '.', '_']).to_owned()
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        let long = "a".repeat(101);
        for name in
            ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "a b", "a\0", ".hidden", "-x", "_x", "é", "a\n", &long]
        {
            let error = check_environment_name(name).unwrap_err();
            assert!(matches!(error, EnvironmentError::InvalidName { .. }), "{name:?}");
        }
        for name in ["a", "runtime-host", "hf.v2_x", "3d", &long[1..]] {
            check_environment_name(name).unwrap();
        }
    }

    #[test]
    fn models_are_slugged() {
        let name = |model| provider_environment_name("hf", Some(model)).unwrap();
        assert_eq!(name("Qwen/Qwen3-8B"), "hf-qwen-qwen3-8b");
        assert_eq!(name("../../etc/passwd"), "hf-etc-passwd");
        assert_eq!(name("a  //  b"), "hf-a-b");
        assert_eq!(name("///"), "hf");
        assert_eq!(provider_environment_name("hf", None).unwrap(), "hf");
        let (one, two) = (name(&"x".repeat(200)), name(&"x".repeat(201)));
        assert_eq!(one.len(), 100);
        assert_ne!(one, two);
        assert!(provider_environment_name("../hf", None).is_err());
    }
}
