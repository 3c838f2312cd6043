//! Browsers: logged in once, told apart from pages of other sites, and out as soon as their client's token is revoked.

use crate::http::{Connection, Response};

use super::wires::Strict;

const JSON: (&str, &str) = ("content-type", "application/json");
const CODE: &str = r#"{"expression": "6 * 7"}"#;

/// A browser that has opened an address with a login.
struct Browser {
    port: u16,
    origin: String,
    cookie: String,
}

impl Browser {
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let own = [("cookie", &*self.cookie), JSON];
        Connection::open(self.port).request(method, path, &[&own[..], headers].concat(), body)
    }

    /// What the script of a page of the server sends.
    fn evaluate(&self) -> Response {
        let own = [("origin", &*self.origin), ("sec-fetch-site", "same-origin"), ("x-beep-csrf", "1")];
        self.ask("POST", "/api/eval", &own, CODE)
    }
}

/// Asks for a login with this token, and returns the path that it leads to.
fn login(port: u16, token: &str) -> String {
    let bearer = format!("Bearer {token}");
    let made = Connection::open(port).request("POST", "/api/login", &[("authorization", &bearer), JSON], "");
    assert_eq!((made.status, made.header("cache-control")), (200, Some("no-store")));
    let made = made.json();
    assert_eq!(made["expiresInMs"], 60_000);
    made["path"].as_str().unwrap().to_owned()
}

/// Opens that path.
fn open(port: u16, path: &str) -> Response {
    Connection::open(port).request("GET", path, &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], "")
}

fn browser(port: u16, token: &str) -> Browser {
    let opened = open(port, &login(port, token));
    assert_eq!((opened.status, opened.header("location")), (303, Some("/")), "its address has the login no more");
    let set = opened.header("set-cookie").unwrap();
    let (cookie, attributes) = set.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Strict");
    Browser { port, origin: format!("http://localhost:{port}"), cookie: cookie.to_owned() }
}

#[test]
fn browser_is_logged_in_once() {
    let strict = Strict::start();
    let port = strict.server.http;
    Connection::open(port).request("POST", "/api/login", &[JSON], "").expect_problem(401, "unauthorized");
    let path = login(port, &strict.default_token());
    for wrong in ["/?login=", "/?login=x", &format!("{path}x")] {
        open(port, wrong).expect_problem(401, "unauthorized");
    }
    assert_eq!(open(port, &path).status, 303);
    open(port, &path).expect_problem(401, "unauthorized");
    let browser = browser(port, &strict.default_token());
    assert_eq!(browser.evaluate().json()["value"], 42);
    assert_eq!(browser.ask("GET", "/health", &[("sec-fetch-site", "same-origin")], "").status, 200);
    let forged = Browser { cookie: format!("{}x", browser.cookie), ..browser };
    forged.ask("GET", "/health", &[], "").expect_problem(401, "unauthorized");
}

#[test]
fn pages_of_other_sites_do_not_stand_for_their_browser() {
    let strict = Strict::start();
    let browser = browser(strict.server.http, &strict.default_token());
    let own = &*browser.origin;
    let next_port = format!("http://localhost:{}", browser.port - 1);
    // Each as a browser sends it that does not keep the cookie back.
    for headers in [
        &[("origin", own)][..],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example"), ("x-beep-csrf", "1")],
        &[("origin", "null"), ("x-beep-csrf", "1")],
        &[("origin", &next_port), ("sec-fetch-site", "same-site"), ("x-beep-csrf", "1")],
        &[("origin", own), ("sec-fetch-site", "cross-site"), ("x-beep-csrf", "1")],
        &[("origin", own), ("origin", own), ("x-beep-csrf", "1")],
    ] {
        browser.ask("POST", "/api/eval", headers, CODE).expect_problem(403, "forbidden_origin");
    }
    for site in ["cross-site", "same-site"] {
        browser.ask("GET", "/api/sessions", &[("sec-fetch-site", site)], "").expect_problem(403, "forbidden_origin");
    }
    // A name that leads here, but is another site's.
    let rebound = [("host", "evil.example"), ("origin", "http://evil.example"), ("x-beep-csrf", "1")];
    browser.ask("POST", "/api/eval", &rebound, CODE).expect_problem(403, "forbidden_host");
    let path = login(browser.port, &strict.default_token());
    let linked = Connection::open(browser.port).request("GET", &path, &[("sec-fetch-site", "cross-site")], "");
    linked.expect_problem(403, "forbidden_origin");
    assert_eq!(open(browser.port, &path).status, 303, "which has not used it up");
}

#[test]
fn browser_may_what_the_token_may_and_as_long() {
    let strict = Strict::start();
    let token = strict.tokens.create("page", None, true).unwrap().text;
    let (browser, unused) = (browser(strict.server.http, &token), login(strict.server.http, &token));
    assert_eq!(browser.evaluate().json()["value"], 42);
    browser.ask("GET", "/api/venv/list", &[], "").expect_problem(403, "forbidden");
    let mut open_one = Connection::open(browser.port);
    let kept = open_one.request("GET", "/health", &[("cookie", &browser.cookie)], "");
    assert_eq!(kept.status, 200);
    strict.tokens.revoke("page").unwrap();
    assert!(open_one.is_closed());
    browser.evaluate().expect_problem(403, "forbidden_origin");
    browser.ask("GET", "/health", &[], "").expect_problem(401, "unauthorized");
    open(browser.port, &unused).expect_problem(401, "unauthorized");
}
