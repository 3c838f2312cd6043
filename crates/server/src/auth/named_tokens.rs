//! The tokens of a home that have names: `tokens.json`, which holds their hashes.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use beep_python_runtime::platform::{FileLock, Home, replace_file};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::auth::token::{Token, TokenError, TokenHash, random_text, read_private};

/// The name of the token in the file `token`.
pub const DEFAULT_TOKEN: &str = "default";
const MAX_LIST_BYTES: usize = 16 << 20;

/// A token that has a name. Keys that this version does not know may restrict it, so a list with such is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedToken {
    /// Its name.
    pub name: String,
    sha256: TokenHash,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Whether it lets in to sessions only.
    #[serde(default)]
    pub sessions_only: bool,
}

/// A new token, whose text is known now and never again.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// When it ends, in seconds since 1970; absent for never.
    pub expires: Option<u64>,
}

/// The named tokens of a home.
#[derive(Clone, Debug)]
pub struct NamedTokens {
    list: PathBuf,
    default: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    pub(super) tokens: Vec<NamedToken>,
}

impl NamedTokens {
    /// Those of this home.
    pub fn of(home: &Home) -> NamedTokens {
        NamedTokens { list: home.root().join("tokens.json"), default: home.root().join("token") }
    }

    /// The file that has them.
    pub(super) fn path(&self) -> &PathBuf {
        &self.list
    }

    /// All of them, by name; also those that have expired.
    pub fn list(&self) -> Result<Vec<NamedToken>, TokenError> {
        let bytes = match read_private(&self.list, MAX_LIST_BYTES) {
            Err(TokenError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            bytes => bytes?,
        };
        let read = serde_json::from_slice(&bytes);
        let List { tokens } = read.map_err(|source| TokenError::List { path: self.list.clone(), source })?;
        Ok(tokens)
    }

    /// Makes a token, which ends after `lifetime`, if that is given.
    pub fn create(&self, name: &str, lifetime: Option<Duration>, sessions_only: bool) -> Result<NewToken, TokenError> {
        check_name(name)?;
        self.change(|tokens| {
            if tokens.iter().any(|token| token.name == name) {
                return Err(TokenError::Exists { name: name.to_owned() });
            }
            let text = random_text()?;
            let (sha256, created) = (TokenHash::of(text.as_bytes()), now());
            let expires = lifetime.map(|lifetime| created.saturating_add(lifetime.as_secs()));
            tokens.push(NamedToken { name: name.to_owned(), sha256, created, expires, sessions_only });
            tokens.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(NewToken { name: name.to_owned(), text, expires })
        })
    }

    /// Ends a token: servers take it no more.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        if name == DEFAULT_TOKEN {
            return Err(TokenError::Default);
        }
        self.change(|tokens| {
            tokens.remove(place(tokens, name)?);
            Ok(())
        })
    }

    /// Gives a token a new text, and a new lifetime as long as its first; the old text is taken no more.
    pub fn rotate(&self, name: &str) -> Result<NewToken, TokenError> {
        let text = random_text()?;
        if name == DEFAULT_TOKEN {
            replace_file(&self.default, format!("{text}\n").as_bytes())?;
            return Ok(NewToken { name: name.to_owned(), text, expires: None });
        }
        self.change(|tokens| {
            let at = place(tokens, name)?;
            let token = &mut tokens[at];
            let created = now();
            token.expires = token.expires.map(|end| created.saturating_add(end.saturating_sub(token.created)));
            (token.sha256, token.created) = (TokenHash::of(text.as_bytes()), created);
            Ok(NewToken { name: name.to_owned(), text, expires: token.expires })
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<NamedToken>) -> Result<T, TokenError>) -> Result<T, TokenError> {
        let _alone = FileLock::acquire(self.list.with_extension("lock"))?;
        let mut tokens = self.list()?;
        let changed = change(&mut tokens)?;
        let text = serde_json::to_vec_pretty(&List { tokens }).expect("a list is plain data");
        replace_file(&self.list, &text)?;
        Ok(changed)
    }
}

impl NamedToken {
    /// Whether it has ended by itself.
    pub fn is_expired(&self) -> bool {
        self.expires.is_some_and(|end| end <= now())
    }

    pub(super) fn hash(&self) -> TokenHash {
        self.sha256
    }

    /// The token of the file `token`, or one that stands in its place.
    pub(super) fn default_of(token: &Token) -> NamedToken {
        let name = DEFAULT_TOKEN.to_owned();
        NamedToken { name, sha256: token.hash(), created: 0, expires: None, sessions_only: false }
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TokenHash, D::Error> {
        let text = String::deserialize(deserializer)?;
        TokenHash::from_hex(&text).ok_or_else(|| de::Error::custom("a hash is 64 hexadecimal digits"))
    }
}

fn place(tokens: &[NamedToken], name: &str) -> Result<usize, TokenError> {
    tokens.iter().position(|token| token.name == name).ok_or_else(|| TokenError::Unknown { name: name.to_owned() })
}

fn check_name(name: &str) -> Result<(), TokenError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(fits) {
        _ if name == DEFAULT_TOKEN => Err(TokenError::Default),
        true => Ok(()),
        false => Err(TokenError::Name { name: name.to_owned() }),
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn tokens() -> (tempfile::TempDir, NamedTokens) {
        let folder = tempfile::tempdir().unwrap();
        let tokens = NamedTokens::of(&Home::open(folder.path()).unwrap());
        (folder, tokens)
    }

    #[test]
    fn only_hashes_are_kept_and_only_for_the_owner() {
        let (folder, tokens) = tokens();
        let made = tokens.create("ci", Some(Duration::from_secs(60)), true).unwrap();
        let file = fs::read_to_string(folder.path().join("tokens.json")).unwrap();
        assert!(!file.contains(&made.text) && file.contains(&TokenHash::of(made.text.as_bytes()).to_hex()), "{file}");
        assert_eq!(fs::metadata(folder.path().join("tokens.json")).unwrap().mode() & 0o777, 0o600);
        let [listed] = &tokens.list().unwrap()[..] else { panic!("one") };
        assert_eq!((&listed.name[..], listed.expires, listed.sessions_only), ("ci", made.expires, true));
        assert_eq!(made.expires, Some(listed.created + 60));
    }

    #[test]
    fn names_are_unique_and_the_default_one_is_reserved() {
        let (_folder, tokens) = tokens();
        tokens.create("ci", None, false).unwrap();
        assert!(matches!(tokens.create("ci", None, false), Err(TokenError::Exists { .. })));
        assert!(matches!(tokens.revoke("other"), Err(TokenError::Unknown { .. })));
        assert!(matches!(tokens.rotate("other"), Err(TokenError::Unknown { .. })));
        for name in ["", "a b", ".a", "a/b", "ä", &"x".repeat(65)] {
            assert!(matches!(tokens.create(name, None, false), Err(TokenError::Name { .. })), "{name}");
        }
        assert!(matches!(tokens.create("default", None, false), Err(TokenError::Default)));
        assert!(matches!(tokens.revoke("default"), Err(TokenError::Default)));
        tokens.revoke("ci").unwrap();
        assert_eq!(tokens.list().unwrap(), []);
    }

    #[test]
    fn rotation_renews_the_text_and_the_lifetime() {
        let (folder, tokens) = tokens();
        let first = tokens.create("ci", Some(Duration::from_secs(0)), true).unwrap();
        assert!(tokens.list().unwrap()[0].is_expired());
        let second = tokens.rotate("ci").unwrap();
        assert_ne!(first.text, second.text);
        assert!(tokens.list().unwrap()[0].sessions_only);
        let default = tokens.rotate("default").unwrap();
        assert!(Token::load(&folder.path().join("token")).unwrap().matches(default.text.as_bytes()));
    }

    #[test]
    fn many_that_change_the_list_at_once_lose_nothing() {
        let (_folder, tokens) = tokens();
        std::thread::scope(|scope| {
            for number in 0..16 {
                let tokens = &tokens;
                scope.spawn(move || tokens.create(&format!("t{number}"), None, false).unwrap());
            }
        });
        assert_eq!(tokens.list().unwrap().len(), 16);
    }

    #[test]
    fn list_with_unknown_restrictions_is_not_read() {
        let (folder, tokens) = tokens();
        tokens.create("ci", None, false).unwrap();
        let path = folder.path().join("tokens.json");
        let newer = fs::read_to_string(&path).unwrap().replace("\"created\"", "\"onlyOn\": \"Monday\", \"created\"");
        replace_file(&path, newer.as_bytes()).unwrap();
        assert!(matches!(tokens.list(), Err(TokenError::List { .. })));
    }
}
