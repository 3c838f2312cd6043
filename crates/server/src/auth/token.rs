//! The secret that lets others than the server's own user in.

use std::fmt;
use std::fs;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 32 random bytes in base64url, kept in a file that only its owner can read. It never shows in a log: `Debug` hides it.
#[derive(Clone)]
pub struct Token {
    text: [u8; LENGTH],
}

/// The characters that 32 bytes take.
const LENGTH: usize = 43;

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
    #[error("the token file {} does not hold a token", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
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

    /// Whether `shown` is this token, in a time that does not depend on where it differs.
    pub fn matches(&self, shown: &[u8]) -> bool {
        let Ok(shown) = <&[u8; LENGTH]>::try_from(shown) else { return false };
        let difference = self.text.iter().zip(shown).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
        black_box(difference) == 0
    }

    fn load(path: &Path) -> Result<Token, TokenError> {
        let failed = |source| TokenError::Read { path: path.into(), source };
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let file = fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
        if owner != rustix::process::geteuid().as_raw() || mode & 0o077 != 0 {
            return Err(TokenError::Exposed { path: path.into(), owner, mode });
        }
        let mut text = Vec::with_capacity(LENGTH + 1);
        file.take(LENGTH as u64 + 2).read_to_end(&mut text).map_err(failed)?;
        let text = <[u8; LENGTH]>::try_from(text.trim_ascii_end()).ok();
        let valid = text.filter(|text| URL_SAFE_NO_PAD.decode(text).is_ok());
        Ok(Token { text: valid.ok_or_else(|| TokenError::Malformed { path: path.into() })? })
    }

    fn create(path: &Path) -> Result<Token, TokenError> {
        let mut random = [0; 32];
        fs::File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut random))
            .map_err(TokenError::Random)?;
        let mut text = [0; LENGTH];
        URL_SAFE_NO_PAD.encode_slice(random, &mut text).expect("32 bytes take 43 characters");

        let failed = |source| TokenError::Write { path: path.into(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?; // mode 0600
        file.write_all(&text).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(Token { text }),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Token::load(path),
            Err(error) => Err(failed(error.error)),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
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
        for content in ["", "short", &"!".repeat(LENGTH), &"a".repeat(LENGTH + 5)] {
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
}
