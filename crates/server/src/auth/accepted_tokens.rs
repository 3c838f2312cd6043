//! The tokens that a running server takes: the default one, and the named ones of its home, as the files have them now.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use beep_python_runtime::platform::{Home, error_chain};
use parking_lot::Mutex;
use rustix::fs::inotify;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::auth::named_tokens::{NamedToken, NamedTokens};
use crate::auth::token::{Token, TokenError, TokenHash};
use crate::line_budget::within_budget;

/// How often the files are looked at where they cannot be watched.
const LOOK: Duration = Duration::from_secs(1);

/// Where the default token is from.
#[derive(Clone, Debug)]
pub enum DefaultToken {
    /// From a file, which is read again when it changes.
    File(PathBuf),
    /// Given to the server by its starter.
    Given(Token),
}

/// The tokens that a server takes. What the files hold is looked up whenever a token is shown, so that a revoked one is refused from then on.
#[derive(Debug)]
pub struct AcceptedTokens {
    default: DefaultToken,
    named: NamedTokens,
    known: Mutex<Known>,
    /// Told whenever the files have changed.
    changes: watch::Sender<()>,
}

/// What the files held when they were last read.
#[derive(Debug, Default)]
struct Known {
    /// `None` where they have to be read again in any case.
    stamps: Option<[Option<Stamp>; 2]>,
    tokens: Vec<Arc<NamedToken>>,
}

/// Tells one content of a file from the next: each is a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
    length: u64,
}

impl AcceptedTokens {
    /// Those of a home. The file of the default token is made, where it is the home's own and missing.
    pub fn open(home: &Home, default: DefaultToken) -> Result<AcceptedTokens, TokenError> {
        match &default {
            DefaultToken::File(path) if path.parent() == Some(home.root()) => drop(Token::load_or_create(path)?),
            DefaultToken::File(path) => drop(Token::load(path)?),
            DefaultToken::Given(_) => {}
        }
        let named = NamedTokens::of(home);
        named.list()?;
        let tokens = AcceptedTokens { default, named, known: Mutex::default(), changes: watch::Sender::new(()) };
        tokens.refresh();
        Ok(tokens)
    }

    /// The token of this text, while it is good.
    pub(super) fn find(&self, shown: &[u8]) -> Option<Arc<NamedToken>> {
        self.refresh();
        let hash = TokenHash::of(shown);
        let known = self.known.lock();
        known.tokens.iter().find(|token| token.hash() == hash && !token.is_expired()).cloned()
    }

    /// Whether a token is still good, and means the same.
    pub(super) fn has(&self, token: &NamedToken) -> bool {
        self.refresh();
        !token.is_expired() && self.known.lock().tokens.iter().any(|known| **known == *token)
    }

    /// Notices changes of the files.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Notices at once that the files change, for connections whose requests are under way; within a second where the system does not
    /// tell of changes.
    pub(crate) async fn watch(&self) -> Infallible {
        let Err(error) = self.wait_for_events().await;
        tracing::warn!("whether tokens are revoked is looked at once a second, since files cannot be watched: {error}");
        loop {
            tokio::time::sleep(LOOK).await;
            self.refresh();
        }
    }

    async fn wait_for_events(&self) -> io::Result<Infallible> {
        let mut folders: Vec<&Path> = self.files().into_iter().flatten().filter_map(Path::parent).collect();
        folders.dedup();
        let events = watcher(&folders)?;
        self.refresh(); // what was changed before
        loop {
            let mut ready = events.ready(Interest::READABLE).await?;
            while rustix::io::read(events.get_ref(), &mut [0; 4096]).is_ok() {}
            ready.clear_ready();
            self.refresh();
        }
    }

    fn files(&self) -> [Option<&Path>; 2] {
        let default = match &self.default {
            DefaultToken::File(path) => Some(path.as_path()),
            DefaultToken::Given(_) => None,
        };
        [Some(self.named.path()), default]
    }

    /// Reads the files again, if they have changed. What cannot be read holds no token.
    fn refresh(&self) {
        let mut known = self.known.lock();
        let stamps = self.files().map(|path| path.and_then(stamp));
        if known.stamps == Some(stamps) {
            return;
        }
        let default = match &self.default {
            DefaultToken::File(path) => Token::load(path),
            DefaultToken::Given(token) => Ok(*token),
        };
        let mut may_pass = false;
        let mut lost = |error: &TokenError| {
            may_pass |= may_have_passed(error);
            within_budget("tokens_not_read", || tracing::error!("tokens are not taken: {}", error_chain(error)));
        };
        let mut tokens = self.named.list().inspect_err(&mut lost).unwrap_or_default();
        tokens.extend(default.inspect_err(&mut lost).ok().map(|token| NamedToken::default_of(&token)));
        known.stamps = (!may_pass).then_some(stamps);
        // Listeners look at the tokens, and so at the files.
        if !known.tokens.iter().map(|token| &**token).eq(&tokens) {
            known.tokens = tokens.into_iter().map(Arc::new).collect();
            self.changes.send_replace(());
        }
    }
}

/// Whether a file that could not be read may be readable the next time, although it has not changed: for want of descriptors, for one.
fn may_have_passed(error: &TokenError) -> bool {
    matches!(error, TokenError::Read { source, .. } if source.kind() != io::ErrorKind::NotFound)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    Some(Stamp { inode: metadata.ino(), changed, length: metadata.size() })
}

fn watcher(folders: &[&Path]) -> io::Result<AsyncFd<OwnedFd>> {
    let watched = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let what = inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::MOVED_FROM
        | inotify::WatchFlags::DELETE
        | inotify::WatchFlags::CLOSE_WRITE
        | inotify::WatchFlags::ATTRIB;
    for folder in folders {
        inotify::add_watch(&watched, *folder, what)?;
    }
    // SAFETY: an `OwnedFd` stands for one open descriptor, the same as long as it lives, and `AsyncFd` drops it only
    // after it is deregistered.
    Ok(unsafe { AsyncFd::register_with_interest(watched, Interest::READABLE) }?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::DirBuilderExt;

    use futures_util::FutureExt;

    use super::*;

    fn accepted() -> (tempfile::TempDir, NamedTokens, AcceptedTokens) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let accepted = AcceptedTokens::open(&home, DefaultToken::File(home.root().join("token"))).unwrap();
        (folder, NamedTokens::of(&home), accepted)
    }

    #[test]
    fn tokens_are_taken_from_when_they_are_made_until_they_are_revoked() {
        let (_folder, named, accepted) = accepted();
        let made = named.create("ci", None, true).unwrap();
        let found = accepted.find(made.text.as_bytes()).unwrap();
        assert!(found.name == "ci" && found.sessions_only && accepted.has(&found));
        let renewed = named.rotate("ci").unwrap();
        assert!(accepted.find(made.text.as_bytes()).is_none() && !accepted.has(&found));
        assert!(accepted.find(renewed.text.as_bytes()).is_some());
        named.revoke("ci").unwrap();
        assert!(accepted.find(renewed.text.as_bytes()).is_none());
    }

    #[test]
    fn expired_token_is_refused() {
        let (_folder, named, accepted) = accepted();
        let made = named.create("ci", Some(std::time::Duration::ZERO), false).unwrap();
        assert!(accepted.find(made.text.as_bytes()).is_none());
    }

    #[test]
    fn default_token_is_rotated_too() {
        let (folder, named, accepted) = accepted();
        let first = fs::read(folder.path().join("token")).unwrap();
        assert_eq!(accepted.find(first.trim_ascii_end()).unwrap().name, "default");
        let second = named.rotate("default").unwrap();
        assert!(accepted.find(first.trim_ascii_end()).is_none());
        assert!(accepted.find(second.text.as_bytes()).is_some());
    }

    #[test]
    fn list_that_cannot_be_read_lets_nobody_in() {
        let (folder, named, accepted) = accepted();
        let made = named.create("ci", None, false).unwrap();
        assert!(accepted.find(made.text.as_bytes()).is_some());
        fs::write(folder.path().join("tokens.json"), "nonsense").unwrap();
        assert!(accepted.find(made.text.as_bytes()).is_none());
    }

    #[tokio::test]
    async fn changes_are_noticed_without_a_request() {
        let (_folder, named, accepted) = accepted();
        let mut changes = accepted.changes();
        let watching = accepted.watch();
        tokio::pin!(watching);
        // One poll sets the watch.
        assert!(watching.as_mut().now_or_never().is_none());
        named.create("ci", None, false).unwrap();
        tokio::select! {
            never = &mut watching => match never {},
            changed = changes.changed() => changed.unwrap(),
        }
    }

    #[tokio::test]
    async fn change_from_before_the_watch_is_noticed() {
        let (_folder, named, accepted) = accepted();
        let changes = accepted.changes();
        named.create("ci", None, false).unwrap();
        assert!(accepted.watch().now_or_never().is_none());
        assert!(changes.has_changed().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_noticed_where_files_cannot_be_watched() {
        let (_folder, named, mut accepted) = accepted();
        accepted.default = DefaultToken::File("/nonexistent/token".into());
        let mut changes = accepted.changes();
        let watching = accepted.watch();
        tokio::pin!(watching);
        assert!(watching.as_mut().now_or_never().is_none());
        changes.mark_unchanged();
        named.create("ci", None, false).unwrap();
        tokio::select! {
            never = &mut watching => match never {},
            changed = changes.changed() => changed.unwrap(),
        }
    }

    #[test]
    fn file_that_could_not_be_read_is_read_again_though_it_is_the_same() {
        let (folder, named, accepted) = accepted();
        let made = named.create("ci", None, false).unwrap();
        let mut changes = accepted.changes();
        let list = folder.path().join("tokens.json");
        fs::rename(&list, folder.path().join("aside")).unwrap();
        fs::DirBuilder::new().mode(0o700).create(&list).unwrap(); // what cannot be read as a file
        for _ in 0..2 {
            assert!(accepted.find(made.text.as_bytes()).is_none(), "closed meanwhile");
            assert_eq!(accepted.known.lock().stamps, None);
        }
        changes.mark_unchanged();
        assert!(accepted.find(made.text.as_bytes()).is_none());
        assert!(!changes.has_changed().unwrap(), "listeners look again, and would do so forever");
        fs::remove_dir(&list).unwrap();
        fs::rename(folder.path().join("aside"), &list).unwrap();
        assert!(accepted.find(made.text.as_bytes()).is_some());
        assert!(accepted.known.lock().stamps.is_some());
    }
}
