//! The secret that lets others than the server's own user in.

use std::fmt;
use std::fs;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use beep_python_protocol::quoted;
use beep_python_runtime::platform::FileError;
use sha2::{Digest as _, Sha256};

/// A text that only its owner knows. Its hash alone is kept here, so that it shows in no log and no dump.
#[derive(Clone, Copy)]
pub struct Token(TokenHash);

/// The SHA-256 of a token's text.
#[derive(Clone, Copy, Eq)]
pub(super) struct TokenHash([u8; 32]);

/// The text of a token, on its way to the server that takes it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

/// How long the text of a token may be. Ours has the 43 characters that 32 random bytes take.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=512;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a token")]
    Random(#[source] io::Error),
    /// The file cannot be read.
    #[error("cannot read the token file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot write the token file {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could have read or written it.
    #[error("the token file {} is open to others (owner {owner}, mode {mode:03o}): it is not safe to use", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds something else.
    #[error("the token file {} does not hold a token, which is one line of 16 to 512 visible characters of ASCII", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The list of named tokens cannot be understood.
    #[error("the list of tokens {} cannot be read", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The list of named tokens cannot be worked with.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name cannot be that of a token.
    #[error(
        "{} is no name for a token: it must have 1 to 64 letters, digits, '-', '_' and '.', and not begin with '.'",
        quoted(name)
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The default token is always there.
    #[error("`default` is the token in the file `token` of the home: it is neither created nor revoked, only rotated")]
    Default,
    /// There is a token of this name.
    #[error("there is a token \"{name}\" already")]
    Exists {
        /// The name.
        name: String,
    },
    /// There is no token of this name.
    #[error("there is no token \"{name}\"")]
    Unknown {
        /// The name.
        name: String,
    },
}

impl Token {
    /// The token in the file at `path`; a new one is made and kept there when there is no file.
    ///
    /// Two servers that start at once agree on one token.
    pub fn load_or_create(path: &Path) -> Result<Token, TokenError> {
        match Token::load(path) {
            Err(TokenError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Token::create(path),
            other => other,
        }
    }

    /// The token in the file at `path`, which only its owner can read.
    pub fn load(path: &Path) -> Result<Token, TokenError> {
        let text = read_private(path, LENGTHS.end() + 2)?;
        Token::of_text(&text).ok_or_else(|| TokenError::Malformed { path: path.into() })
    }

    /// The token of this text, line ends apart; `None` for what cannot be one.
    pub fn of_text(text: &[u8]) -> Option<Token> {
        let text = text.trim_ascii_end();
        let fits = LENGTHS.contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
        fits.then(|| Token(TokenHash::of(text)))
    }

    /// Whether `shown` is this token, in a time that does not depend on where it differs.
    pub fn matches(&self, shown: &[u8]) -> bool {
        self.0 == TokenHash::of(shown)
    }

    pub(super) fn hash(&self) -> TokenHash {
        self.0
    }

    fn create(path: &Path) -> Result<Token, TokenError> {
        let text = random_text()?;
        let failed = |source| TokenError::Write { path: path.into(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?; // mode 0600
        file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(Token(TokenHash::of(text.as_bytes()))),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Token::load(path),
            Err(error) => Err(failed(error.error)),
        }
    }
}

impl TokenText {
    /// This text, line ends apart; `None` for what cannot be a token.
    pub fn new(text: &str) -> Option<TokenText> {
        Token::of_text(text.as_bytes()).map(|_| TokenText(text.trim_ascii_end().to_owned()))
    }

    /// The token of this text.
    pub fn token(&self) -> Token {
        Token(TokenHash::of(self.0.as_bytes()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TokenHash {
    pub(super) fn of(text: &[u8]) -> TokenHash {
        TokenHash(Sha256::digest(text).into())
    }

    pub(super) fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn from_hex(text: &str) -> Option<TokenHash> {
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(TokenHash(hash))
    }
}

impl PartialEq for TokenHash {
    /// In a time that does not depend on where they differ.
    fn eq(&self, other: &TokenHash) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
        black_box(difference) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// 32 random bytes in base64url, as the text of a new token.
pub(crate) fn random_text() -> Result<String, TokenError> {
    let mut random = [0; 32];
    fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random)).map_err(TokenError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// At most `longest` bytes of a file that only its owner, who is this user, can read or write.
pub(super) fn read_private(path: &Path, longest: usize) -> Result<Vec<u8>, TokenError> {
    let failed = |source| TokenError::Read { path: path.into(), source };
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    let file = fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if owner != rustix::process::geteuid().as_raw() || mode & 0o077 != 0 {
        return Err(TokenError::Exposed { path: path.into(), owner, mode });
    }
    let mut bytes = Vec::new();
    file.take(longest as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn text(path: &Path) -> Vec<u8> {
        fs::read(path).unwrap().trim_ascii_end().to_vec()
    }

    #[test]
    fn it_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = Token::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(token.matches(&text(&path)));
        let again = Token::load_or_create(&path).unwrap();
        assert!(again.matches(&text(&path)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn two_tokens_differ() {
        let folder = tempfile::tempdir().unwrap();
        let one = Token::load_or_create(&folder.path().join("one")).unwrap();
        Token::load_or_create(&folder.path().join("two")).unwrap();
        assert!(!one.matches(&text(&folder.path().join("two"))));
    }

    #[test]
    fn many_that_start_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| Token::load_or_create(&path).unwrap())).collect();
            for thread in threads {
                assert!(thread.join().unwrap().matches(&text(&path)));
            }
        });
    }

    #[test]
    fn only_the_whole_token_matches() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = Token::load_or_create(&path).unwrap();
        let right = text(&path);
        for length in 0..right.len() {
            assert!(!token.matches(&right[..length]));
        }
        assert!(!token.matches(&[&right[..], b"x"].concat()));
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert!(!token.matches(&wrong), "changed at {at}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        Token::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Token::load_or_create(&path).unwrap_err();
        assert!(matches!(error, TokenError::Exposed { mode: 0o640, .. }), "{error:?}");
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for content in ["", "short", "two words are not a token", "neither are ümlauts at all", &"a".repeat(513)] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = Token::load_or_create(&path).unwrap_err();
            assert!(matches!(error, TokenError::Malformed { .. }), "{content:?}: {error:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        Token::load_or_create(&folder.path().join("real")).unwrap();
        let link = folder.path().join("token");
        std::os::unix::fs::symlink("real", &link).unwrap();
        assert!(matches!(Token::load_or_create(&link), Err(TokenError::Read { .. })));
    }

    #[test]
    fn it_does_not_show_in_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let shown = format!("{:?}", Token::load_or_create(&path).unwrap());
        assert_eq!(shown, "Token(…)");
    }

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let hash = TokenHash::of(b"text");
        assert_eq!(TokenHash::from_hex(&hash.to_hex()), Some(hash));
        assert_ne!(TokenHash::of(b"texts"), hash);
        for text in ["", "00", &"0".repeat(63), &"x".repeat(64), &"+1".repeat(32), &"0".repeat(65)] {
            assert_eq!(TokenHash::from_hex(text), None, "{text}");
        }
    }
}
