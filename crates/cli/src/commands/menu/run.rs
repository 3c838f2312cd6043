//! `menu`: everything that people do often, to be chosen and not typed. Each choice says which command it runs.

use anyhow::Result;

use crate::context::Context;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::inventory::{self, Name};
use crate::terminal::detect::is_interactive;
use crate::terminal::line_editor::{LineEditor, ReadLine};
use crate::terminal::select::{Choice, Selection, select};
use crate::terminal::shell_words::{ShellWords, quote};
use crate::terminal::subprocess::CommandRunner;

/// A page of the menu. Those about one thing carry its name.
#[derive(Clone, Debug)]
enum Page {
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
    /// Start a server, in this environment or in the servers' own.
    Start(Option<String>),
}

/// A choice on a page.
struct Item {
    label: String,
    about: String,
    then: Then,
}

/// What a choice leads to.
enum Then {
    Open(Page),
    Run(Vec<String>),
    /// A command that ends with what is asked for first: as one word, or as the words that it consists of.
    Ask {
        question: &'static str,
        command: Vec<String>,
        one_word: bool,
    },
}

pub(crate) fn run(context: &Context) -> Result<ExitStatus> {
    if !is_interactive() {
        return Err(CliError::NoTerminal("menu").into());
    }
    let colors = context.printer.colors.stdout;
    let runner = CommandRunner::new(context)?;
    let mut path = vec![Page::Top];
    while let Some(page) = path.last() {
        let Some(items) = page.items()? else {
            path.pop();
            continue;
        };
        let choices: Vec<_> =
            items.iter().map(|item| Choice { label: item.label.clone(), about: item.about.clone() }).collect();
        let chosen = match select(&page.title(), &choices, colors)? {
            Selection::One(at) => at,
            Selection::Back => {
                path.pop();
                continue;
            }
            Selection::Leave => break,
        };
        match items.into_iter().nth(chosen).map(|item| item.then) {
            None => {}
            Some(Then::Open(page)) => path.push(page),
            Some(Then::Run(command)) => show_and_run(context, &runner, &command),
            Some(Then::Ask { question, mut command, one_word }) => {
                let answer = LineEditor::bare(colors).read(&format!("{question}: "), "... ")?;
                match answer {
                    ReadLine::Line(answer) if !answer.trim().is_empty() => {
                        match one_word {
                            true => command.push(answer),
                            false => command.extend(ShellWords::parse(&answer).into_texts()),
                        }
                        show_and_run(context, &runner, &command);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(ExitStatus::Success)
}

fn show_and_run(context: &Context, runner: &CommandRunner, command: &[String]) {
    let shown: Vec<_> = command.iter().map(|word| quote(word)).collect();
    context.printer.line(format_args!("beep-python {}", shown.join(" ")));
    runner.run(context, command);
    context.printer.line("");
}

impl Page {
    fn title(&self) -> String {
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

    /// What can be chosen; none when what the page is about is gone.
    fn items(&self) -> Result<Option<Vec<Item>>> {
        Ok(Some(match self {
            Page::Top => vec![
                open("Quick start", "the whole product in one go", run_words(&["quickstart"])),
                open("Runtimes", "install, choose and remove Pythons", Then::Open(Page::Runtimes)),
                open("Environments", "make them, install packages, look after them", Then::Open(Page::Environments)),
                open("Providers", "what providers.toml says that they need", Then::Open(Page::Providers)),
                open("Servers", "start, look at and stop them", Then::Open(Page::Servers)),
                open("Evaluate", "Python code, for its result", ask("Code", &["eval"], true)),
                open("Python", "a prompt for Python", run_words(&["python"])),
                open("Check everything", "and say how to mend what is wrong", run_words(&["config"])),
                open("Help", "all commands", run_words(&["help"])),
            ],
            Page::Runtimes => {
                let mut items = each(inventory::runtimes()?, Page::Runtime);
                items.push(open("Install", "another Python", Then::Open(Page::Install)));
                items.push(open(
                    "Show all",
                    "installed, on this machine, to download",
                    run_words(&["runtime", "list"]),
                ));
                items
            }
            Page::Runtime(id) => {
                if !exists(inventory::runtimes()?, id) {
                    return Ok(None);
                }
                vec![
                    open("Make it the default", "for new environments", run_words(&["runtime", "use", id])),
                    open("Remove", "refused while environments need it", run_words(&["runtime", "remove", id])),
                ]
            }
            Page::Install => {
                let versions =
                    inventory::versions()?.into_iter().filter(|version| version.about != inventory::INSTALLED);
                versions
                    .map(|Name { name, about }| open(&name, &about, run_words(&["runtime", "install", &name])))
                    .collect()
            }
            Page::Environments => {
                let mut items = each(inventory::environments()?, Page::Environment);
                items.push(open("Make one", "a new environment", Then::Open(Page::MakeEnvironment)));
                let bundle = ask("The bundle", &["bundle", "install"], true);
                items.push(open("From a bundle", "made by `bundle create`", bundle));
                items.push(open("Show all", "with state and place", run_words(&["venv", "list"])));
                items.push(open(
                    "Tidy up",
                    "delete those that were not used for so long",
                    ask("How long (30d, 12h)", &["venv", "prune", "--idle"], true),
                ));
                items.push(open("Cache", "what is kept, and what it takes", run_words(&["cache", "info"])));
                items.push(open("Clean the cache", "what can be fetched again", run_words(&["cache", "clean"])));
                items
            }
            Page::Environment(name) => {
                if !exists(inventory::environments()?, name) {
                    return Ok(None);
                }
                vec![
                    open("Status", "try it", run_words(&["venv", "status", name])),
                    open("Packages", "list them", run_words(&["venv", "packages", name])),
                    open("Install packages", "by uv or pip", ask("Packages", &["venv", "install", name], false)),
                    open("Python", "a prompt in it", run_words(&["python", "--venv", name])),
                    open("Evaluate", "Python code in it", ask("Code", &["eval", "--venv", name], true)),
                    open("Uninstall packages", "", ask("Packages", &["venv", "uninstall", name], false)),
                    open("Repair", "what its status finds broken", run_words(&["venv", "repair", name])),
                    open("Lock", "write down what is installed, exactly", run_words(&["venv", "lock", name])),
                    open("Sync", "bring it to what its lock says", run_words(&["venv", "sync", name])),
                    open("Clone", "under another name", ask("The copy's name", &["venv", "clone", name], true)),
                    open("Start a server", "in it", Then::Open(Page::Start(Some(name.clone())))),
                    open("Delete", "with all that is installed in it", run_words(&["venv", "delete", name])),
                ]
            }
            Page::MakeEnvironment => {
                let create = ["venv", "create"];
                let mut items = vec![open("The default runtime", "", ask("Its name", &create, true))];
                let versions =
                    inventory::versions()?.into_iter().filter(|version| version.about == inventory::INSTALLED);
                items.extend(versions.map(|Name { name, about }| {
                    open(&name, &about, ask("Its name", &["venv", "create", "--python", &name], true))
                }));
                items
            }
            Page::Providers => {
                let mut items = each(inventory::providers()?, Page::Provider);
                items.push(open("Show all", "and what there is of them", run_words(&["provider", "list"])));
                let accelerator = run_words(&["provider", "accelerator"]);
                items.push(open("Accelerator", "what this machine computes with", accelerator));
                items
            }
            Page::Provider(name) => {
                if !exists(inventory::providers()?, name) {
                    return Ok(None);
                }
                let pack = ask("The file to make", &["bundle", "create", "--provider", name], true);
                vec![
                    open("Ensure", "make its environment, or complete it", run_words(&["provider", "ensure", name])),
                    open("Packages", "what it needs, and what is there", run_words(&["provider", "packages", name])),
                    open("Bundle", "for a machine without a network", pack),
                ]
            }
            Page::Servers => {
                let mut items = each(inventory::servers()?, Page::Server);
                items.push(open("Start one", "in the environment of its own", Then::Open(Page::Start(None))));
                items.push(open("Show all", "and what became of them", run_words(&["status"])));
                items.push(open("Stop all", "", run_words(&["stop", "--all"])));
                items
            }
            Page::Server(id) => {
                if !exists(inventory::servers()?, id) {
                    return Ok(None);
                }
                vec![
                    open("Python", "a prompt on it", run_words(&["python", "--server", id])),
                    open("Evaluate", "Python code in it", ask("Code", &["eval", "--server", id], true)),
                    open("Log", "what it has said", run_words(&["logs", id])),
                    open("Restart", "as it was", run_words(&["restart", id])),
                    open("Stop", "what it is doing is finished first", run_words(&["stop", id])),
                ]
            }
            Page::Start(environment) => {
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
                    open("All of them", "to the same sessions", start(&["http", "pipe", "rpc"])),
                ]
            }
        }))
    }
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
