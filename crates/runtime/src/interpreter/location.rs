//! Locations of catalogues, mirrors and archives: URLs or paths.

use std::path::PathBuf;

use reqwest::Url;

use super::error::RuntimeError;

/// Parses a location: a URL or a path.
pub(super) fn locate(location: &str) -> Result<Url, RuntimeError> {
    let invalid = || RuntimeError::InvalidLocation { location: location.to_owned() };
    if location.contains("://") {
        let url = Url::parse(location).map_err(|_| invalid())?;
        return if matches!(url.scheme(), "http" | "https" | "file") { Ok(url) } else { Err(invalid()) };
    }
    let path = std::path::absolute(location).map_err(|_| invalid())?;
    Url::from_file_path(path).map_err(|()| invalid())
}

/// The path of a `file:` URL. (`Url::to_file_path` accepts `https://localhost/…` too.)
pub(super) fn file_of(url: &Url) -> Option<PathBuf> {
    (url.scheme() == "file").then(|| url.to_file_path().ok())?
}
