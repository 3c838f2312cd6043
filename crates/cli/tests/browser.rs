//! Web pages in Chromium, against servers on the machine of their visitor: what SECURITY.md promises of browsers.
//!
//! `browser/attempts.js` has what a page can try. Each attempt sends code that would leave a file, its marker. That an attempt is one
//! is shown by a server that takes anything.

#[allow(dead_code, reason = "some of it is needed here")]
#[path = "cli/test_home.rs"]
mod test_home;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use test_home::{Ended, TestHome};

const CHROMIUMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// The browser, and the package for node that drives it; an error says what is missing.
struct Browser {
    chromium: PathBuf,
    node: PathBuf,
    playwright: PathBuf,
}

impl Browser {
    fn find() -> Result<Browser, &'static str> {
        let named = std::env::var_os("BEEP_PYTHON_TEST_CHROMIUM").map(PathBuf::from);
        let chromium = named.or_else(|| CHROMIUMS.into_iter().find_map(on_path)).ok_or("there is no Chromium")?;
        let node = on_path("node").ok_or("there is no node")?;
        let packages = std::env::var_os("BEEP_PYTHON_TEST_PACKAGES").map(PathBuf::from).unwrap_or_default();
        let playwright = packages.join("browser/node_modules/playwright-core");
        let has_playwright = playwright.is_dir();
        has_playwright
            .then_some(Browser { chromium, node, playwright })
            .ok_or("BEEP_PYTHON_TEST_PACKAGES has no browser/node_modules/playwright-core")
    }

    /// Starts the script, which keeps what the browser writes in the folder. Its first line says where its pages are.
    fn start(&self, folder: &Path) -> (Ended, BufReader<ChildStdout>) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/run.js");
        let mut command = Command::new(&self.node);
        command.arg(script).env("PLAYWRIGHT", &self.playwright).env("CHROMIUM", &self.chromium);
        command.env("HOME", folder).env("TMPDIR", folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node runs");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        (Ended(child), lines)
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn line(lines: &mut BufReader<ChildStdout>) -> Value {
    let mut text = String::new();
    lines.read_line(&mut text).expect("its output");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("the script ended, see above: {error}: {text:?}"))
}

fn markers_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
}

fn names_in(list: &Value) -> BTreeSet<&str> {
    list.as_array().expect("names").iter().map(|name| name.as_str().expect("a name")).collect()
}

fn url_of(server: &Value) -> String {
    server["endpoints"][0]["url"].as_str().expect("an address").to_owned()
}

#[test]
fn pages_of_other_origins_can_neither_run_code_nor_read() {
    let browser = match Browser::find() {
        Ok(browser) => browser,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let (home, strict) = (TestHome::with_runtime(), TestHome::with_runtime());
    let (markers, of_login) = (home.directory().join("markers"), strict.directory().join("markers"));
    for folder in [&markers, &of_login] {
        fs::create_dir(folder).expect("a folder");
    }
    let (mut script, mut lines) = browser.start(home.directory());
    let allowed = format!("http://app.example:{}", line(&mut lines)["pagePort"]);
    let server = home.start(&["--allow-origin", &allowed]);
    strict.start(&["--require-token"]);
    let login = strict.json(&["console-url"]);
    // A client that is none of a page leaves its marker.
    let code = format!("open({:?}, 'w').close()", markers.join("client"));
    home.success(&["eval", &code]);
    let told = json!({
        "server": url_of(&server), "markers": markers,
        "login": {"url": login["url"], "markers": of_login},
    });
    writeln!(script.0.stdin.as_mut().expect("its input"), "{told}").expect("the script reads");
    let seen = line(&mut lines);
    println!("{seen:#}");

    // Each attempt is one: it reaches a server that takes anything.
    assert_eq!(names_in(&seen["reached"]), names_in(&seen["names"]));
    assert_eq!(seen["control"]["json_fetch"], "what the page reads");
    // Of the server's answers no page of another origin reads any.
    let nothing = |read: &Value| read.as_object().expect("an object").values().all(Value::is_null);
    assert!(nothing(&seen["read"]), "{:#}", seen["read"]);
    assert_eq!((&seen["rebound"]["evaluated"], &seen["rebound"]["opened"]), (&json!("forbidden_host"), &json!(403)));
    // One of an allowed origin does, and its code runs.
    assert_eq!((&seen["allowed"]["status"], &seen["allowed"]["sessionEpoch"]), (&json!(200), &json!(1)), "{seen:#}");
    assert_eq!(markers_in(&markers), BTreeSet::from(["allowed".to_owned(), "client".to_owned()]));

    let login = &seen["login"];
    assert_eq!((&login["status"], &login["address"], &login["secondTime"]), (&json!(200), &json!(true), &json!(401)));
    let cookie = &login["cookies"][0];
    assert_eq!((&cookie["httpOnly"], &cookie["sameSite"]), (&json!(true), &json!("Strict")));
    for (path, title) in [("/", "beep-python"), ("/docs", "beep-python: all routes")] {
        assert_eq!(login["pages"][path], json!([200, title]));
    }
    assert_eq!((&login["own"]["status"], &login["withoutHeader"]["status"]), (&json!(200), &json!(403)));
    assert_eq!(login["followedLink"], 403, "who comes by a link of another page is shown nothing");
    // The cookie is of use to no page but the server's own, be it on another port of the same site.
    for from in ["other site", "other port"] {
        assert!(nothing(&login["read"][from]), "{from}: {:#}", login["read"][from]);
    }
    assert_eq!(markers_in(&of_login), BTreeSet::from(["own_page".to_owned()]));
}
