//! The commands, one file each.

mod bundle;
mod cache;
pub(crate) mod completions;
mod config;
mod debug;
mod eval;
mod init;
mod logs;
mod menu;
mod provider;
mod python;
mod quickstart;
mod restart;
mod runtime;
mod serve;
mod session;
mod start;
mod status;
mod stop;
mod streaming;
mod venv;

use anyhow::Result;

use crate::async_runtime::block_on;
use crate::context::Context;
use crate::exit_status::ExitStatus;

/// Every command. The first line of each comment is what `--help` shows.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Get a managed Python and make it the default
    Init(init::Args),
    /// List, install, choose and remove Pythons
    #[command(subcommand)]
    Runtime(runtime::Command),
    /// Make, list, check and delete virtual environments
    #[command(subcommand)]
    Venv(venv::Command),
    /// Pack a runtime and packages into a file, for machines without a network
    #[command(subcommand)]
    Bundle(bundle::Command),
    /// Show or remove what can be made or fetched again
    #[command(subcommand)]
    Cache(cache::Command),
    /// What providers need, and what there is of it
    Provider(provider::Args),
    /// Start a server in the background
    Start(start::Args),
    /// Run a server; what `start` starts
    #[command(hide = true)]
    Serve(serve::Args),
    /// Show the servers that run, and what became of those that do not
    Status,
    /// Stop a server: what it is doing is finished first
    Stop(stop::Args),
    /// Stop a server and start it again as it was
    Restart(restart::Args),
    /// Show what a server has logged
    Logs(logs::Args),
    /// Check everything, and say what is wrong and how to mend it
    Config,
    /// Make, show, restart and end the sessions of a server
    #[command(subcommand)]
    Session(session::Command),
    /// Let a debugger listen in a session, and say how to attach
    Debug(debug::Args),
    /// Evaluate Python code and print the result
    Eval(eval::Args),
    /// A prompt for Python, on a session of a running server or of one of its own
    Python(python::Args),
    /// Show the whole product in one go: Python, environment, server, typed results
    Quickstart(quickstart::Args),
    /// Choose what to do from a menu
    Menu,
    /// Print a script that completes commands in a shell
    Completions(completions::Args),
}

impl Command {
    pub(crate) fn run(self, context: &Context) -> Result<ExitStatus> {
        match self {
            Command::Init(args) => block_on(init::run(context, args)),
            Command::Runtime(command) => block_on(runtime::run(context, command)),
            Command::Venv(command) => venv::run(context, command),
            Command::Bundle(command) => block_on(bundle::run(context, command)),
            Command::Cache(command) => cache::run(context, command),
            Command::Provider(args) => provider::run(context, &args),
            Command::Start(args) => start::run(context, args),
            Command::Serve(args) => serve::run(context, args),
            Command::Status => status::run(context),
            Command::Stop(args) => stop::run(context, args),
            Command::Restart(args) => restart::run(context, args),
            Command::Logs(args) => logs::run(context, &args),
            Command::Config => config::run(context),
            Command::Session(command) => block_on(session::run(context, command)),
            Command::Debug(args) => block_on(debug::run(context, args)),
            Command::Eval(args) => block_on(eval::run(context, args)),
            Command::Python(args) => python::run(context, args),
            Command::Quickstart(args) => block_on(quickstart::run(context, args)),
            Command::Menu => menu::run(context),
            Command::Completions(args) => completions::run(context, &args),
        }
    }
}
