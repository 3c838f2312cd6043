//! `top`, and `status --watch`: servers and what they do, live.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};

use beep_python_client::connect;
use serde_json::Value;

use super::terminal::{CTRL_C, ESCAPE, Terminal};
use super::test_home::{Ended, TestHome, signal};

/// A call with this request id that runs in the session until it is interrupted.
fn busy(server: &Value, session: &str, request: &str) -> Ended {
    let url = format!("{}/api/eval", server["endpoints"][0]["url"].as_str().unwrap());
    let body = format!(r#"{{"expression": "while True: pass", "session": "{session}", "requestId": "{request}"}}"#);
    let curl = std::process::Command::new("curl")
        .args(["-s", &url, "-H", "Content-Type: application/json", "-d", &body])
        .stdout(Stdio::null())
        .spawn();
    Ended(curl.unwrap())
}

/// The columns of the first line that has this word.
fn row(page: &str, word: &str) -> Option<Vec<String>> {
    let line = page.lines().find(|line| line.split_whitespace().any(|column| column == word))?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn top_shows_what_runs_sorts_and_gives_the_screen_back() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let (id, pipe) = (server["id"].as_str().unwrap(), home.json(&["start", "pipe"]));
    let session = home.success(&["session", "create", "--server", id]).trim().to_owned();
    let mut top = Terminal::run(home.command(&["top", "--interval", "100ms"]));
    top.wait_until("both servers", |screen| {
        let page = screen.contents();
        row(&page, id).is_some() && row(&page, pipe["id"].as_str().unwrap()).is_some() && page.contains("running")
    });
    assert!(top.is_alternate());
    let _call = busy(&server, &session, "job-7");
    top.wait_until("the call, first", |screen| {
        let page = screen.contents();
        let sessions: Vec<_> = page.lines().skip_while(|line| !line.contains("RUNS")).skip(1).collect();
        sessions.first().is_some_and(|line| line.contains(&format!(" {session} ")) && line.contains(" eval "))
            && sessions[0].contains("job-7")
            && sessions[0].contains(" %")
            && sessions.iter().any(|line| line.contains("(idle)"))
    });
    top.keys("m");
    top.wait_for("by MEMORY");
    home.success(&["session", "interrupt", &session, "--server", id]);
    top.wait_until("it is idle", |screen| row(&screen.contents(), &session).is_some_and(|row| row[2] == "(idle)"));
    top.keys("q");
    top.wait_until("the screen as it was", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    assert_eq!(top.end().code(), Some(0));
}

#[test]
fn page_fits_terminals_of_any_size_and_scrolls() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let sessions: Vec<_> = (0..9).map(|_| home.success(&["session", "create"]).trim().to_owned()).collect();
    let mut top = Terminal::run(home.command(&["top", "--interval", "100ms", "--sort", "memory"]));
    top.wait_for(sessions.last().unwrap());
    top.resize(10, 40);
    top.wait_until("a small page", |screen| {
        let rows: Vec<_> = screen.rows(0, 40).collect();
        rows.len() == 10
            && rows[0].starts_with("servers: 1")
            && rows[9].starts_with("q leaves")
            && rows[2].starts_with("SERVER")
    });
    top.keys("\x1b[F"); // End
    top.wait_until("its end", |screen| screen.rows(0, 40).nth(2).is_some_and(|row| !row.starts_with("SERVER")));
    top.keys("\x1b[H"); // Home
    top.wait_until("its beginning", |screen| screen.rows(0, 40).nth(2).is_some_and(|row| row.starts_with("SERVER")));
    top.resize(30, 120);
    top.wait_until("a large page", |screen| screen.contents().contains(sessions.last().unwrap()));
    home.success(&["stop"]);
    top.wait_for("No server is running.");
    assert!(server["id"].is_string());
    top.keys(CTRL_C);
    assert_eq!(top.end().code(), Some(0));
}

#[test]
fn signal_gives_the_screen_back() {
    let home = TestHome::with_runtime();
    let top = Terminal::run(home.command(&["status", "--watch", "100ms"]));
    top.wait_for("No server is running.");
    signal(top.pid(), rustix::process::Signal::TERM);
    top.wait_until("the screen as it was", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    assert!(!top.end().success());
}

#[test]
fn plain_pages_go_where_no_screen_is() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let url = server["endpoints"][0]["url"].as_str().unwrap();
    let page = home.success(&["top", "--count", "2", "--interval", "50ms"]);
    assert_eq!(page.lines().filter(|line| line.starts_with("SERVER")).count(), 4, "{page}");
    assert!(!page.contains(ESCAPE) && page.ends_with("\n\n"), "{page:?}");
    assert_eq!(row(&page, "default").unwrap()[2], "(idle)");
    // By its address alone, as a server of another home.
    let elsewhere = TestHome::with_runtime();
    let page = elsewhere.success(&["top", url, "--count", "1"]);
    assert_eq!(row(&page, "default").unwrap()[0], url, "{page}");
    let page = elsewhere.success(&["top", "http://127.0.0.1:1", "--count", "1"]);
    assert!(page.contains("no answer"), "{page}");
    let unknown = home.run(&["top", "nothing", "--count", "1"]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("nothing"), "{unknown:?}");
    let fast = home.run(&["top", "--interval", "1ms"]);
    assert!(fast.code == Some(2) && fast.stderr.contains("at least 50 ms"), "{fast:?}");
    let mut dumb = home.command(&["top", "--interval", "100ms"]);
    dumb.env("TERM", "dumb");
    let mut dumb = Terminal::run(dumb);
    dumb.wait_until("a second page", |screen| screen.contents().matches("RUNS").count() == 2);
    assert!(!dumb.is_alternate());
    dumb.keys(CTRL_C);
    assert_eq!(dumb.end().signal(), Some(2));
}

/// The next line of what is watched, as JSON.
fn next(watching: &mut BufReader<std::process::ChildStdout>) -> Value {
    let mut line = String::new();
    watching.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn programs_get_an_object_a_line_with_rates() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let id = server["id"].as_str().unwrap();
    let mut watching: Child =
        home.command(&["--json", "status", "--watch", "50ms"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(watching.stdout.take().unwrap());
    let first = next(&mut output);
    assert_eq!((&first["servers"][0]["id"], &first["servers"][0]["answers"]), (&server["id"], &Value::Bool(true)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = connect(server["endpoints"][0]["url"].as_str().unwrap()).unwrap();
    let calls = |runtime: &tokio::runtime::Runtime| {
        runtime.block_on(async {
            client.evaluate::<i64>("6 * 7").await.unwrap();
            client.evaluate::<i64>("1 / 0").await.unwrap_err();
            client.with_isolation().evaluate::<i64>("1 / 0").await.unwrap_err();
        });
    };
    calls(&runtime);
    let counted = loop {
        let told = next(&mut output);
        let session = told["sessions"][id][0].clone();
        if session["answered"] == 3 {
            break told;
        }
    };
    let session = &counted["sessions"][id][0];
    assert_eq!((session["failed"].as_u64(), session["sessionId"].as_str()), (Some(2), Some("default")), "{counted}");
    assert!(session["cpuMs"].is_u64() && counted["servers"][0]["memoryBytes"].as_u64() > Some(1 << 20), "{counted}");
    while next(&mut output)["servers"][0]["callsPerSecond"].as_f64() != Some(0.0) {}
    home.success(&["stop"]);
    while next(&mut output)["servers"] != serde_json::json!([]) {}
    drop(output);
    // Nothing reads it any more.
    assert!(watching.wait().unwrap().success());
}
