//! The pages of the menu.

use anyhow::Result;

use crate::inventory::{self, Name};

/// A page of the menu; a page about one thing carries its name.
#[derive(Clone, Debug)]
pub(super) enum Page {
    Top,
    Runtimes,
    Runtime(String),
    Install,
    Environments,
    Environment(String),
    MakeEnvironment,
    Providers,
    Provider(String),
    Servers,
    Server(String),
    /// Start a server, in this environment or in the default one.
    Start(Option<String>),
}

/// A choice on a page.
pub(super) struct Item {
    pub(super) label: String,
    pub(super) about: String,
    pub(super) then: Then,
}

/// What a choice leads to.
pub(super) enum Then {
    Open(Page),
    Run(Vec<String>),
    /// A command that ends with an answer: as one word, or split into words.
    Ask {
        question: &'static str,
        command: Vec<String>,
        one_word: bool,
    },
}

impl Page {
    pub(super) fn title(&self) -> String {
        let what = match self {
            Page::Top => "What would you like to do?".to_owned(),
            Page::Runtimes => "Runtimes".to_owned(),
            Page::Runtime(id) => format!("Runtime {id}"),
            Page::Install => "Which Python?".to_owned(),
            Page::Environments => "Environments".to_owned(),
            Page::Environment(name) => format!("Environment {name}"),
            Page::Providers => "Providers".to_owned(),
            Page::Provider(name) => format!("Provider {name}"),
            Page::MakeEnvironment => "With which Python?".to_owned(),
            Page::Servers => "Servers".to_owned(),
            Page::Server(id) => format!("Server {id}"),
            Page::Start(None) => "Start a server with".to_owned(),
            Page::Start(Some(name)) => format!("Start a server in {name} with"),
        };
        format!("{what}   (arrows or a number, Enter; Esc goes back, Ctrl-C leaves)")
    }

    /// The choices; none when the subject of the page no longer exists.
    pub(super) fn items(&self) -> Result<Option<Vec<Item>>> {
        Ok(Some(match self {
            Page::Top => top(),
            Page::Runtimes => runtimes()?,
            Page::Runtime(id) => return runtime(id),
            Page::Install => install()?,
            Page::Environments => environments()?,
            Page::Environment(name) => return environment(name),
            Page::MakeEnvironment => make_environment()?,
            Page::Providers => providers()?,
            Page::Provider(name) => return provider(name),
            Page::Servers => servers()?,
            Page::Server(id) => return server(id),
            Page::Start(environment) => start(environment.as_deref()),
        }))
    }
}

fn top() -> Vec<Item> {
    vec![
        open("Quick start", "the whole product in one go", run_words(&["quickstart"])),
        open("Runtimes", "install, choose and remove Pythons", Then::Open(Page::Runtimes)),
        open("Environments", "create them, install packages, maintain them", Then::Open(Page::Environments)),
        open("Providers", "what they need, from providers.toml", Then::Open(Page::Providers)),
        open("Servers", "start, inspect and stop them", Then::Open(Page::Servers)),
        open("Evaluate", "Python code, for its result", ask("Code", &["eval"], true)),
        open("Python", "a prompt for Python", run_words(&["python"])),
        open("Check everything", "and how to fix problems", run_words(&["config"])),
        open("Help", "all commands", run_words(&["help"])),
    ]
}

fn runtimes() -> Result<Vec<Item>> {
    let mut items = each(inventory::runtimes()?, Page::Runtime);
    items.push(open("Install", "another Python", Then::Open(Page::Install)));
    items.push(open("Show all", "installed, on this machine, for download", run_words(&["runtime", "list"])));
    Ok(items)
}

fn runtime(id: &str) -> Result<Option<Vec<Item>>> {
    if !exists(inventory::runtimes()?, id) {
        return Ok(None);
    }
    Ok(Some(vec![
        open("Make it the default", "for new environments", run_words(&["runtime", "use", id])),
        open("Remove", "refused while environments need it", run_words(&["runtime", "remove", id])),
    ]))
}

fn install() -> Result<Vec<Item>> {
    let versions = inventory::versions()?.into_iter().filter(|version| version.about != inventory::INSTALLED);
    Ok(versions.map(|Name { name, about }| open(&name, &about, run_words(&["runtime", "install", &name]))).collect())
}

fn environments() -> Result<Vec<Item>> {
    let mut items = each(inventory::environments()?, Page::Environment);
    items.push(open("Make one", "a new environment", Then::Open(Page::MakeEnvironment)));
    let bundle = ask("The bundle", &["bundle", "install"], true);
    items.push(open("From a bundle", "made by `bundle create`", bundle));
    items.push(open("Show all", "with state and path", run_words(&["venv", "list"])));
    items.push(open(
        "Tidy up",
        "delete environments that are unused for long",
        ask("How long (30d, 12h)", &["venv", "prune", "--idle"], true),
    ));
    items.push(open("Cache", "what is cached, and its size", run_words(&["cache", "info"])));
    items.push(open("Clean the cache", "remove what can be downloaded again", run_words(&["cache", "clean"])));
    Ok(items)
}

fn environment(name: &str) -> Result<Option<Vec<Item>>> {
    if !exists(inventory::environments()?, name) {
        return Ok(None);
    }
    Ok(Some(vec![
        open("Status", "check it", run_words(&["venv", "status", name])),
        open("Packages", "list them", run_words(&["venv", "packages", name])),
        open("Install packages", "by uv or pip", ask("Packages", &["venv", "install", name], false)),
        open("Python", "a prompt in it", run_words(&["python", "--venv", name])),
        open("Evaluate", "Python code in it", ask("Code", &["eval", "--venv", name], true)),
        open("Uninstall packages", "", ask("Packages", &["venv", "uninstall", name], false)),
        open("Repair", "fix what the status finds broken", run_words(&["venv", "repair", name])),
        open("Lock", "record exactly what is installed", run_words(&["venv", "lock", name])),
        open("Sync", "install exactly what its lock records", run_words(&["venv", "sync", name])),
        open("Clone", "under another name", ask("The copy's name", &["venv", "clone", name], true)),
        open("Start a server", "in it", Then::Open(Page::Start(Some(name.to_owned())))),
        open("Delete", "with all that is installed in it", run_words(&["venv", "delete", name])),
    ]))
}

fn make_environment() -> Result<Vec<Item>> {
    let create = ["venv", "create"];
    let mut items = vec![open("The default runtime", "", ask("Its name", &create, true))];
    let versions = inventory::versions()?.into_iter().filter(|version| version.about == inventory::INSTALLED);
    items.extend(versions.map(|Name { name, about }| {
        open(&name, &about, ask("Its name", &["venv", "create", "--python", &name], true))
    }));
    Ok(items)
}

fn providers() -> Result<Vec<Item>> {
    let mut items = each(inventory::providers()?, Page::Provider);
    items.push(open("Show all", "and what is installed", run_words(&["provider", "list"])));
    let accelerator = run_words(&["provider", "accelerator"]);
    items.push(open("Accelerator", "which one this machine has", accelerator));
    Ok(items)
}

fn provider(name: &str) -> Result<Option<Vec<Item>>> {
    if !exists(inventory::providers()?, name) {
        return Ok(None);
    }
    let pack = ask("The file to make", &["bundle", "create", "--provider", name], true);
    Ok(Some(vec![
        open("Ensure", "create or complete its environment", run_words(&["provider", "ensure", name])),
        open("Packages", "what it needs, and what is installed", run_words(&["provider", "packages", name])),
        open("Bundle", "for a machine without a network", pack),
    ]))
}

fn servers() -> Result<Vec<Item>> {
    let mut items = each(inventory::servers()?, Page::Server);
    items.push(open("Start one", "in the default environment", Then::Open(Page::Start(None))));
    items.push(open("Show all", "with their states", run_words(&["status"])));
    items.push(open("Stop all", "", run_words(&["stop", "--all"])));
    Ok(items)
}

fn server(id: &str) -> Result<Option<Vec<Item>>> {
    if !exists(inventory::servers()?, id) {
        return Ok(None);
    }
    Ok(Some(vec![
        open("Python", "a prompt on it", run_words(&["python", "--server", id])),
        open("Evaluate", "Python code in it", ask("Code", &["eval", "--server", id], true)),
        open("Log", "what it has logged", run_words(&["logs", id])),
        open("Restart", "with the same settings", run_words(&["restart", id])),
        open("Stop", "after its running calls", run_words(&["stop", id])),
    ]))
}

fn start(environment: Option<&str>) -> Vec<Item> {
    let start = |backends: &[&str]| {
        let mut words = vec!["start"];
        words.extend(backends);
        words.extend(environment.iter().flat_map(|name| ["--venv", name]));
        run_words(&words)
    };
    vec![
        open("HTTP", "JSON, on port 5678", start(&["http"])),
        open("Pipe", "a Unix socket", start(&["pipe"])),
        open("RPC", "gRPC, on port 50051", start(&["rpc"])),
        open("All of them", "sharing the sessions", start(&["http", "pipe", "rpc"])),
    ]
}

fn open(label: &str, about: &str, then: Then) -> Item {
    Item { label: label.into(), about: about.into(), then }
}

fn each(names: Vec<Name>, page: fn(String) -> Page) -> Vec<Item> {
    names.into_iter().map(|Name { name, about }| open(&name, &about, Then::Open(page(name.clone())))).collect()
}

fn exists(names: Vec<Name>, wanted: &str) -> bool {
    names.iter().any(|name| name.name == wanted)
}

fn run_words(words: &[&str]) -> Then {
    Then::Run(owned(words))
}

fn ask(question: &'static str, command: &[&str], one_word: bool) -> Then {
    Then::Ask { question, command: owned(command), one_word }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
