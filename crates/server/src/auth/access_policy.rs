//! The access policy: whether a request is authorized.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::platform::error_chain;
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, Method, Uri, Version};

use crate::auth::Peer;
use crate::auth::accepted_tokens::AcceptedTokens;
use crate::auth::access_denied::AccessDenied;
use crate::auth::authority;
use crate::auth::browser_logins::{BrowserLogins, User};
use crate::auth::client::Client;
use crate::auth::headers::{Header, Headers};
use crate::auth::media::{Charset, Media};
use crate::auth::named_tokens::NamedToken;
use crate::auth::pending_connection::PendingConnection;
use crate::auth::pending_places::PendingPlaces;
use crate::auth::permissions::Permissions;
use crate::auth::token::TokenError;

/// Which requests are authorized.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// Names beside those of loopback that `Host` may say, with a port or without.
    pub hosts: Vec<String>,
    /// Whether `Host` may say any name, where the client needs a token: over TLS, browsers check it against the certificate.
    pub any_host: bool,
    /// Origins whose web pages may send requests, as `Origin` names them: `https://app.example`.
    pub origins: Vec<String>,
    /// Whether clients on loopback need no token, including those of other users of this machine.
    pub trust_loopback: bool,
    /// Whether clients of other machines may name paths of this one.
    pub allow_paths: bool,
    /// Whether every client needs a token, also those of the server's own user.
    pub require_token: bool,
    /// The largest body.
    pub max_body_bytes: u64,
    /// The largest datum.
    pub max_data_bytes: u64,
    /// How many connections there may be that have not authenticated yet: over the network, over loopback, and over the pipe.
    pub max_pending: usize,
    /// How many of them may be of one other machine, or of one other user of this machine.
    pub max_pending_of_one: usize,
    /// How long such a connection may take to authenticate.
    pub auth_timeout: Duration,
}

impl Default for AccessConfig {
    /// Loopback names only, no origin, no trust, bodies of at most 64 MiB, data of at most 4 GiB, 256 unauthenticated connections for 10
    /// seconds each, 32 of one stranger.
    fn default() -> AccessConfig {
        AccessConfig {
            hosts: Vec::new(),
            any_host: false,
            origins: Vec::new(),
            trust_loopback: false,
            allow_paths: false,
            require_token: false,
            max_body_bytes: 64 << 20,
            max_data_bytes: 4 << 30,
            max_pending: 256,
            max_pending_of_one: 32,
            auth_timeout: Duration::from_secs(10),
        }
    }
}

/// A request that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorized {
    /// The charset of its body.
    pub charset: Charset,
    /// The token that it needed and showed.
    pub token: Option<Arc<NamedToken>>,
    /// What it may do.
    pub permissions: Permissions,
}

/// A browser that was logged in.
pub(crate) struct LoggedIn {
    /// What sets its cookie.
    pub(crate) cookie: HeaderValue,
    /// The token of the client whose login it was.
    pub(crate) token: Option<Arc<NamedToken>>,
}

/// The layer in front of all routes. Authorizing a request allocates nothing.
#[derive(Debug)]
pub struct AccessPolicy {
    config: AccessConfig,
    tokens: Arc<AcceptedTokens>,
    places: PendingPlaces,
    browsers: BrowserLogins,
}

impl AccessPolicy {
    /// A policy that admits the server's own user, and clients that have one of the `tokens`.
    pub fn new(config: AccessConfig, tokens: AcceptedTokens) -> AccessPolicy {
        let places = PendingPlaces::new(config.max_pending, config.max_pending_of_one);
        AccessPolicy { config, tokens: Arc::new(tokens), places, browsers: BrowserLogins::default() }
    }

    /// Ends connections at once whose token is revoked.
    pub async fn watch_tokens(&self) -> Infallible {
        self.tokens.watch().await
    }

    /// Accepts a connection from this address, or over the pipe; `None` when too many are unauthenticated already.
    pub fn accept(&self, peer: Peer, address: Option<IpAddr>) -> Option<PendingConnection> {
        let (within, client) = (self.config.auth_timeout, Client { peer, address });
        if self.trusts(peer) {
            return Some(PendingConnection::trusted(client, self.tokens.clone()));
        }
        let place = self.places.take(peer, address)?;
        Some(PendingConnection::new(client, place, within, self.tokens.clone()))
    }

    /// The origin whose page sent a request, if its pages may.
    pub fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.config.origins.is_empty() {
            return None;
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if self.config.origins.iter().any(|allowed| origin == allowed) => Some(origin.clone()),
            _ => None,
        }
    }

    /// Authorizes a browser to ask what a page of its may send. It never shows the token, and learns what this server's help says.
    pub fn authorize_preflight(&self, peer: Peer, parts: &http::request::Parts) -> Result<(), AccessDenied> {
        let headers = Headers::read(&parts.headers);
        self.check_host(peer, parts.version, &parts.uri, &headers)?;
        self.check_origin(&headers)
    }

    /// Whether the peer needs no token.
    fn trusts(&self, peer: Peer) -> bool {
        match peer {
            _ if self.config.require_token => false,
            Peer::SameUser => true,
            Peer::OtherUser(_) | Peer::UnknownOnLoopback => self.config.trust_loopback,
            Peer::Remote => false,
        }
    }

    /// The largest body. A request that declares a larger one is denied; readers of a chunked body must count.
    pub fn max_body_bytes(&self) -> u64 {
        self.config.max_body_bytes
    }

    /// The largest datum, which [`Media::Data`] may declare.
    pub fn max_data_bytes(&self) -> u64 {
        self.config.max_data_bytes
    }

    /// Authorizes a request of these parts.
    pub fn authorize_parts(
        &self,
        media: Media,
        peer: Peer,
        parts: &http::request::Parts,
    ) -> Result<Authorized, AccessDenied> {
        self.authorize_media(media, peer, parts.version, &parts.method, &parts.uri, &parts.headers)
    }

    /// Authorizes a request with a JSON body.
    pub fn authorize(
        &self,
        peer: Peer,
        version: Version,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Authorized, AccessDenied> {
        self.authorize_media(Media::Json, peer, version, method, uri, headers)
    }

    /// Authorizes a request whose body has to be `media`.
    pub fn authorize_media(
        &self,
        media: Media,
        peer: Peer,
        version: Version,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Authorized, AccessDenied> {
        let read = Headers::read(headers);
        self.check_host(peer, version, uri, &read)?;
        let browser = self.browser(peer, &read, headers);
        match &browser {
            Some(_) if is_own_origin(uri, &read) => {}
            _ => self.check_origin(&read)?,
        }
        let token = match browser {
            Some(_) if !(method.is_safe() || read.has_csrf) => return Err(AccessDenied::Csrf),
            Some(user) => user,
            None => self.check_user(peer, &read)?,
        };
        let charset = self.check_body(media, version, method, &read)?;
        let permissions = self.permissions(if read.is_forwarded { Peer::Remote } else { peer }, token.as_deref());
        Ok(Authorized { charset, token, permissions })
    }

    /// Whose browser sends these headers, if it is logged in and shows no token.
    fn browser(&self, peer: Peer, read: &Headers<'_>, headers: &HeaderMap) -> Option<User> {
        if !read.has_cookie || !matches!(read.authorization, Header::Absent) {
            return None;
        }
        let user = self.browsers.find(peer, headers)?;
        user.as_ref().is_none_or(|token| self.tokens.has(token)).then_some(user)
    }

    /// A text that logs one browser of this client in, within a minute.
    pub(crate) fn create_login(&self, token: Option<Arc<NamedToken>>) -> Result<String, TokenError> {
        self.browsers.create(token, Instant::now())
    }

    /// Logs the browser in that opens an address with a login; `None` where that is not good, or not any more.
    pub(crate) fn log_in(
        &self,
        peer: Peer,
        parts: &http::request::Parts,
        login: &str,
    ) -> Result<Option<LoggedIn>, Problem> {
        let headers = Headers::read(&parts.headers);
        self.check_host(peer, parts.version, &parts.uri, &headers)?;
        self.check_origin(&headers)?;
        let exchanged = self.browsers.exchange(login.as_bytes(), peer, Instant::now());
        let exchanged =
            exchanged.map_err(|error| Problem::new(ErrorCode::Internal, error_chain(&error).to_string()))?;
        Ok(exchanged.filter(|(_, user)| user.as_ref().is_none_or(|token| self.tokens.has(token))).and_then(
            |(value, token)| Some(LoggedIn { cookie: self.browsers.set_cookie(&value, self.config.any_host)?, token }),
        ))
    }

    fn permissions(&self, peer: Peer, token: Option<&NamedToken>) -> Permissions {
        Permissions {
            environments: !token.is_some_and(|token| token.sessions_only),
            paths: self.config.allow_paths || peer != Peer::Remote,
        }
    }

    fn check_host(&self, peer: Peer, version: Version, uri: &Uri, headers: &Headers<'_>) -> Result<(), AccessDenied> {
        // A page that the browser takes for one of another site shows no token, but is of the browser's user.
        let any = self.config.any_host && !self.trusts(peer);
        let allowed = |authority: &[u8]| any || authority::is_allowed(authority, &self.config.hosts);
        // A target in absolute form names a host as well; it must be allowed, too.
        let target = uri.authority().map(|authority| allowed(authority.as_str().as_bytes()));
        let pass = match headers.host {
            Header::Once(host) => allowed(host.as_bytes()) && target != Some(false),
            Header::Absent => version >= Version::HTTP_2 && target == Some(true),
            Header::Repeated => false,
        };
        if pass { Ok(()) } else { Err(AccessDenied::Host) }
    }

    fn check_origin(&self, headers: &Headers<'_>) -> Result<(), AccessDenied> {
        let is_allowed = match headers.origin {
            Header::Once(origin) => self.config.origins.iter().any(|allowed| origin == allowed),
            // Browsers send no Origin with some requests (an <img>, a link), but say where the page is from.
            Header::Absent => headers.is_of_no_other_site,
            Header::Repeated => false,
        };
        if is_allowed { Ok(()) } else { Err(AccessDenied::Origin) }
    }

    /// The token that the request needs and shows; `None` where it needs none.
    fn check_user(&self, peer: Peer, headers: &Headers<'_>) -> Result<Option<Arc<NamedToken>>, AccessDenied> {
        if self.trusts(peer) && !headers.is_forwarded {
            return Ok(None);
        }
        match self.check_token(shown_token(headers)) {
            Err(AccessDenied::Token) if headers.is_forwarded => Err(AccessDenied::Forwarded),
            checked => checked.map(Some),
        }
    }

    fn check_token(&self, shown: Option<&[u8]>) -> Result<Arc<NamedToken>, AccessDenied> {
        let found = shown.and_then(|shown| self.tokens.find(shown));
        found.ok_or(if self.config.require_token { AccessDenied::TokenOfEveryone } else { AccessDenied::Token })
    }

    /// What a client may do over a pipe; `None` until it has shown a token.
    pub(crate) fn pipe_permissions(&self, connection: &PendingConnection) -> Option<Permissions> {
        (!connection.needs_token()).then_some(Permissions::ALL)
    }

    /// What a client may do over a pipe that shows this as its token, which is noted with its connection.
    pub(crate) fn authorize_pipe(
        &self,
        connection: &PendingConnection,
        shown: Option<&str>,
    ) -> Result<Permissions, AccessDenied> {
        let token = self.check_token(shown.map(str::as_bytes))?;
        connection.mark_authenticated(Some(&token));
        Ok(self.permissions(Peer::SameUser, Some(&token)))
    }

    fn check_body(
        &self,
        media: Media,
        version: Version,
        method: &Method,
        headers: &Headers<'_>,
    ) -> Result<Charset, AccessDenied> {
        let declared = headers
            .content_length
            .and_then(|length| length.to_str().ok())
            .and_then(|length| length.parse::<u64>().ok());
        let limit = match media {
            Media::Data => self.config.max_data_bytes,
            // A message of gRPC may be one of many, and is counted as it is read.
            Media::Grpc => self.config.max_data_bytes.max(self.config.max_body_bytes),
            Media::Json => self.config.max_body_bytes,
        };
        if let Some(declared) = declared.filter(|declared| *declared > limit) {
            return Err(AccessDenied::BodySize { declared, limit });
        }
        let takes_body = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
        let has_body = match declared {
            Some(bytes) => bytes > 0,
            // From HTTP/2 on a body needs no header that announces it.
            None => headers.has_transfer_encoding || (takes_body && version >= Version::HTTP_2),
        };
        match headers.content_type {
            Header::Once(kind) if media.is_declared_by(kind.as_bytes()) => Ok(Charset::declared_by(kind.as_bytes())),
            Header::Absent if !has_body => Ok(Charset::Utf8),
            // Clients label the body that they do not send: as a form, most of them.
            Header::Once(_) if !has_body && (media == Media::Json || !takes_body) => Ok(Charset::Utf8),
            _ if media == Media::Data => Err(AccessDenied::DataType),
            _ => Err(AccessDenied::ContentType),
        }
    }
}

/// Whether a page of this server itself sent a request: `Origin` says what `Host` does, or what a target in absolute form does.
fn is_own_origin(uri: &Uri, headers: &Headers<'_>) -> bool {
    let host = match headers.host {
        Header::Once(host) => Some(host.as_bytes()),
        _ => uri.authority().map(|authority| authority.as_str().as_bytes()),
    };
    let (Header::Once(origin), Some(host)) = (headers.origin, host) else { return false };
    let origin = origin.as_bytes();
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) && headers.is_of_same_origin
}

/// What a request shows as its token.
fn shown_token<'a>(headers: &Headers<'a>) -> Option<&'a [u8]> {
    const SCHEME: &[u8] = b"Bearer ";
    let Header::Once(value) = headers.authorization else { return None };
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token.trim_ascii_start())
}
