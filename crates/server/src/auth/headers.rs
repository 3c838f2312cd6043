//! The headers by which the door decides, read in one pass: each look into a map of headers hashes a name.

use http::{HeaderMap, HeaderValue};

/// A header that comes once, as most may.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Header<'a> {
    #[default]
    Absent,
    Once(&'a HeaderValue),
    Repeated,
}

/// What the headers of a request say of where it comes from, and of its body.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    pub(super) host: Header<'a>,
    pub(super) origin: Header<'a>,
    pub(super) authorization: Header<'a>,
    pub(super) content_type: Header<'a>,
    /// The first of its kind.
    pub(super) content_length: Option<&'a HeaderValue>,
    pub(super) has_transfer_encoding: bool,
    pub(super) has_cookie: bool,
    /// Whether it has the header that pages of other sites cannot send.
    pub(super) has_csrf: bool,
    /// Whether a proxy says that it passes the request on: it is of a client that the kernel does not show, on any machine.
    pub(super) is_forwarded: bool,
    /// Whether no browser says that a page of another origin sent it.
    pub(super) is_of_no_other_site: bool,
    /// Whether no browser says anything else than that a page of this origin sent it.
    pub(super) is_of_same_origin: bool,
}

impl<'a> Header<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if matches!(self, Header::Absent) { Header::Once(value) } else { Header::Repeated };
    }
}

impl<'a> Headers<'a> {
    pub(super) fn read(all: &'a HeaderMap) -> Headers<'a> {
        let mut read = Headers {
            host: Header::Absent,
            origin: Header::Absent,
            authorization: Header::Absent,
            content_type: Header::Absent,
            content_length: None,
            has_transfer_encoding: false,
            has_cookie: false,
            has_csrf: false,
            is_forwarded: false,
            is_of_no_other_site: true,
            is_of_same_origin: true,
        };
        for (name, value) in all {
            match name.as_str() {
                "host" => read.host.add(value),
                "origin" => read.origin.add(value),
                "authorization" => read.authorization.add(value),
                "content-type" => read.content_type.add(value),
                "content-length" => drop(read.content_length.get_or_insert(value)),
                "transfer-encoding" => read.has_transfer_encoding = true,
                "cookie" => read.has_cookie = true,
                "x-beep-csrf" => read.has_csrf = true,
                "forwarded" | "via" | "x-real-ip" => read.is_forwarded = true,
                // Another port of this machine counts as the same site to browsers, not as the same origin.
                "sec-fetch-site" => {
                    read.is_of_same_origin &= value == "same-origin";
                    read.is_of_no_other_site &= value == "same-origin" || value == "none";
                }
                other => read.is_forwarded |= other.starts_with("x-forwarded-"),
            }
        }
        read
    }
}
