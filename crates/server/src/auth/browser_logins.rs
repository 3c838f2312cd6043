//! Browsers that are logged in: a text that is good once, for a minute, becomes a cookie, which is good as long as the server lives and
//! the token of the client that asked for the text.
//!
//! Browsers send a cookie to every port of a host, so another user's program on this machine may see it: it is good for the peer that got
//! it, that is for this user's programs where it was a browser of this user.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;

use crate::auth::Peer;
use crate::auth::named_tokens::NamedToken;
use crate::auth::token::{TokenError, TokenHash, random_text};

/// How long a login waits for its browser.
pub(crate) const LOGIN_LIFETIME: Duration = Duration::from_secs(60);
/// How many wait at once, and how many browsers are logged in: each more ends the oldest.
const MAX_LOGINS: usize = 64;
const MAX_COOKIES: usize = 256;
const NAME_PREFIX: &str = "beep_python_";
const NAME_LENGTH: usize = 8;

/// The logins of one server.
#[derive(Debug, Default)]
pub(super) struct BrowserLogins {
    /// The name of the cookie, once there was a login. Browsers send one to every port of a host, so that each server has a name of its
    /// own.
    name: OnceLock<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    logins: VecDeque<Login>,
    cookies: VecDeque<Cookie>,
}

#[derive(Debug)]
struct Login {
    hash: TokenHash,
    created: Instant,
    user: User,
}

#[derive(Debug)]
struct Cookie {
    hash: TokenHash,
    peer: Peer,
    user: User,
}

/// Whose browser it is: of the client that showed this token, or needed none.
pub(super) type User = Option<Arc<NamedToken>>;

impl BrowserLogins {
    /// A text that logs one browser of this user in.
    pub(super) fn create(&self, user: User, now: Instant) -> Result<String, TokenError> {
        let text = random_text()?;
        if self.name.get().is_none() {
            let random = random_text()?.replace('-', "_");
            let _ = self.name.set(format!("{NAME_PREFIX}{}", random.get(..NAME_LENGTH).unwrap_or_default()));
        }
        let mut state = self.state.lock();
        push(&mut state.logins, Login { hash: TokenHash::of(text.as_bytes()), created: now, user }, MAX_LOGINS);
        Ok(text)
    }

    /// The value of a new cookie for the browser that shows a login, which is good no more then.
    pub(super) fn exchange(
        &self,
        login: &[u8],
        peer: Peer,
        now: Instant,
    ) -> Result<Option<(String, User)>, TokenError> {
        let (hash, value) = (TokenHash::of(login), random_text()?);
        let mut state = self.state.lock();
        state.logins.retain(|login| now.saturating_duration_since(login.created) < LOGIN_LIFETIME);
        let Some(found) = state.logins.iter().position(|login| login.hash == hash) else { return Ok(None) };
        let Some(Login { user, .. }) = state.logins.remove(found) else { return Ok(None) };
        let cookie = Cookie { hash: TokenHash::of(value.as_bytes()), peer, user: user.clone() };
        push(&mut state.cookies, cookie, MAX_COOKIES);
        Ok(Some((value, user)))
    }

    /// Whose browser shows these headers, if it is logged in.
    pub(super) fn find(&self, peer: Peer, headers: &HeaderMap) -> Option<User> {
        let name = self.name.get()?;
        let values = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .flat_map(|header| header.split(';'));
        let mut own = values.filter_map(|pair| pair.trim().strip_prefix(&**name)?.strip_prefix('='));
        let hash = TokenHash::of(own.next()?.as_bytes());
        let state = self.state.lock();
        state.cookies.iter().find(|cookie| cookie.hash == hash && cookie.peer == peer).map(|cookie| cookie.user.clone())
    }

    /// The header that gives a browser its cookie.
    pub(super) fn set_cookie(&self, value: &str, is_secure: bool) -> Option<HeaderValue> {
        let secure = if is_secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}", self.name.get()?);
        HeaderValue::from_str(&text).ok()
    }
}

fn push<T>(all: &mut VecDeque<T>, new: T, most: usize) {
    if all.len() == most {
        all.pop_front();
    }
    all.push_back(new);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer::SameUser;

    fn headers(logins: &BrowserLogins, value: &str) -> HeaderMap {
        let cookie = HeaderValue::from_str(&format!("other=1; {}={value}", logins.name.get().unwrap())).unwrap();
        HeaderMap::from_iter([(COOKIE, cookie)])
    }

    #[test]
    fn a_login_is_good_once_and_for_a_minute() {
        let (logins, now) = (BrowserLogins::default(), Instant::now());
        let login = logins.create(None, now).unwrap();
        assert!(logins.exchange(b"another", PEER, now).unwrap().is_none());
        let (value, user) = logins.exchange(login.as_bytes(), PEER, now).unwrap().unwrap();
        assert_eq!((user, logins.find(PEER, &headers(&logins, &value))), (None, Some(None)));
        assert!(logins.exchange(login.as_bytes(), PEER, now).unwrap().is_none(), "a second time");
        let late = logins.create(None, now).unwrap();
        assert!(logins.exchange(late.as_bytes(), PEER, now + LOGIN_LIFETIME).unwrap().is_none());
        assert_eq!(logins.find(Peer::OtherUser(5), &headers(&logins, &value)), None, "who saw the cookie");
        for wrong in ["", "x", &login] {
            assert_eq!(logins.find(PEER, &headers(&logins, wrong)), None, "{wrong}");
        }
        let elsewhere = BrowserLogins::default();
        elsewhere.create(None, now).unwrap();
        assert_eq!(elsewhere.find(PEER, &headers(&logins, &value)), None);
        assert_eq!(logins.find(PEER, &HeaderMap::new()), None);
    }

    #[test]
    fn logins_and_cookies_are_bounded() {
        let (logins, now) = (BrowserLogins::default(), Instant::now());
        let first = logins.create(None, now).unwrap();
        (0..MAX_LOGINS).for_each(|_| drop(logins.create(None, now).unwrap()));
        assert!(logins.exchange(first.as_bytes(), PEER, now).unwrap().is_none());
        let mut cookies = (0..=MAX_COOKIES).map(|_| {
            let login = logins.create(None, now).unwrap();
            logins.exchange(login.as_bytes(), PEER, now).unwrap().unwrap().0
        });
        let (oldest, newest) = (cookies.next().unwrap(), cookies.last().unwrap());
        assert_eq!(logins.find(PEER, &headers(&logins, &oldest)), None);
        assert_eq!(logins.find(PEER, &headers(&logins, &newest)), Some(None));
    }

    #[test]
    fn scripts_and_other_sites_do_not_get_the_cookie() {
        let logins = BrowserLogins::default();
        logins.create(None, Instant::now()).unwrap();
        let header = |is_secure| logins.set_cookie("VALUE", is_secure).unwrap().to_str().unwrap().to_owned();
        let expected = format!("{}=VALUE; Path=/; HttpOnly; SameSite=Strict", logins.name.get().unwrap());
        assert_eq!((header(false), header(true)), (expected.clone(), format!("{expected}; Secure")));
    }
}
