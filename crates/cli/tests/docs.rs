//! The documents are true: every code block runs, and the tables of the reference list what there is.
//!
//! A page's blocks run in their order, in a fresh home, without a network:
//!
//! * `sh`: by bash, with this program as `beep-python`. A line `#> TEXT` is a line that the commands above it print, on
//!   either stream; `…` in it stands for any text, and alone on a line for any lines. Commands succeed, unless what they
//!   print begins with `error:` or `Traceback`.
//! * `python`: in a session, as `beep-python eval -` runs it, and checked in the same way.
//! * `json`: parsed.
//! * `rust`: compiled, as a documentation test of the client.
//! * `text`: shown only.
//!
//! Any other block, or one that cannot run here, has a mark above it: `<!-- not run: REASON -->`.

#[path = "../../runtime/tests/support/mod.rs"]
mod support;

mod docs {
    pub(crate) mod examples;
    pub(crate) mod page;
    pub(crate) mod run;
    pub(crate) mod tables;
}

use std::io::Write;
use std::path::{Path, PathBuf};

use docs::page::Page;
use docs::run::run;

/// A test for each page, so that they run side by side.
macro_rules! pages {
    ($($test:ident: $path:literal,)*) => {
        const PAGES: &[&str] = &[$($path),*];
        $(#[test]
        fn $test() {
            let failures = run(&page($path));
            assert!(failures.is_empty(), "{}", failures.join("\n\n"));
        })*
    };
}

pages! {
    readme_runs: "README.md",
    contributing_runs: "CONTRIBUTING.md",
    installing_runs: "docs/install.md",
    getting_started_runs: "docs/getting-started.md",
    sessions_and_limits_run: "docs/sessions.md",
    environments_run: "docs/environments.md",
    large_data_run: "docs/data.md",
    http_client_runs: "docs/clients/http.md",
    rust_client_runs: "docs/clients/rust.md",
    python_client_runs: "docs/clients/python.md",
    pipe_client_runs: "docs/clients/pipe.md",
    grpc_client_runs: "docs/clients/grpc.md",
    dotnet_client_runs: "docs/clients/dotnet.md",
    operations_run: "docs/operations.md",
    security_runs: "docs/security.md",
    logs_run: "docs/logs.md",
    troubleshooting_runs: "docs/troubleshooting.md",
    reference_runs: "docs/reference.md",
    predecessor_runs: "docs/predecessor.md",
}

#[test]
fn examples_of_help_run() {
    let failures = docs::examples::failures();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(path: &str) -> Page {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Page::parse(path, &text)
}

#[test]
fn every_page_has_a_test() {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    found.retain(|path| !PAGES.contains(&path.as_str()));
    assert!(found.is_empty(), "add these to `pages!`: {found:?}");
}

#[test]
fn blocks_that_do_not_run_say_why() {
    let mut list = String::new();
    for path in PAGES {
        for block in page(path).blocks {
            match (block.language.as_str(), &block.not_run) {
                (language, Some(reason)) => list += &format!("  {path}:{}: {language}: {reason}\n", block.line),
                ("sh" | "python" | "json" | "text", None) => {}
                ("rust" | "rust,no_run", None) => {
                    let lib = std::fs::read_to_string(root().join("crates/client/src/lib.rs")).unwrap();
                    assert!(lib.contains(&format!("/{path}\")")), "crates/client/src/lib.rs does not compile {path}");
                }
                (other, None) => panic!("{path}:{}: a `{other}` block is not run; mark it with the reason", block.line),
            }
        }
    }
    // Not through `println!`, which a test that passes keeps to itself.
    write!(std::io::stderr(), "Blocks of the documents that were not run:\n{list}").unwrap();
}

/// Read literally, in whatever folder the reader is, and wherever the home is.
#[test]
fn blocks_write_into_no_file_of_the_readers() {
    let mut wrong = Vec::new();
    for path in PAGES {
        let mut is_apart = false;
        for block in page(path).blocks.iter().filter(|block| matches!(&*block.language, "sh" | "python")) {
            for (at, line) in block.text.lines().enumerate().filter(|(_, line)| !line.starts_with("#>")) {
                is_apart |= line.contains("mktemp -d");
                let writes = line.starts_with("cat >") || (line.starts_with("echo ") && line.contains(" > "));
                let is_own = line.contains(".beep-python") && !line.contains("BEEP_PYTHON_HOME");
                if (writes && !is_apart) || is_own {
                    wrong.push(format!("{path}:{}: {line}", block.line + at));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "in a temporary folder, and below $BEEP_PYTHON_HOME:\n{}", wrong.join("\n"));
}

/// In SECURITY.md, tables of promises end in a column of tests.
#[test]
fn promises_name_tests_that_there_are() {
    let text = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let sources: String =
        rust_files(&root().join("crates")).map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let (mut promises, mut wrong) = (0, Vec::new());
    for row in text.lines().skip_while(|line| !line.starts_with("| promise ")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [promise, _, tests] = cells[..] else { continue };
        if promise == "promise" || promise.starts_with("---") {
            continue;
        }
        promises += 1;
        let named: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            wrong.push(format!("no test holds: {promise}"));
        }
        let missing = named.iter().filter(|name| !sources.contains(&format!("fn {name}(")));
        wrong.extend(missing.map(|name| format!("there is no test {name}")));
    }
    assert!(promises > 20 && wrong.is_empty(), "{promises} promises\n{}", wrong.join("\n"));
}

/// All files of Rust in this folder.
fn rust_files(folder: &Path) -> Box<dyn Iterator<Item = PathBuf>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    Box::new(entries.flat_map(|path| -> Box<dyn Iterator<Item = PathBuf>> {
        match path.is_dir() {
            true => rust_files(&path),
            false => Box::new(path.extension().is_some_and(|end| end == "rs").then_some(path).into_iter()),
        }
    }))
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for path in PAGES.iter().copied().chain(["CHANGELOG.md", "ARCHITECTURE.md", "SECURITY.md", "benches/RESULTS.md"]) {
        let folder = root().join(path).parent().unwrap().to_owned();
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") {
                continue;
            }
            let linked = if file.is_empty() { root().join(path) } else { folder.join(file) };
            let text = std::fs::read_to_string(&linked).unwrap_or_default();
            if !linked.exists() || !(anchor.is_empty() || docs::page::anchors(&text).contains(&anchor.to_owned())) {
                broken.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
