//! The commands, one file each.

mod bundle;
mod cache;
mod code;
pub(crate) mod completions;
mod config;
mod console_url;
mod debug;
mod eval;
mod init;
mod logs;
mod man_pages;
mod menu;
mod provider;
mod python;
mod quickstart;
mod restart;
mod run;
mod runtime;
mod serve;
mod session;
mod start;
mod status;
mod stop;
mod streaming;
mod token;
mod top;
mod venv;

use anyhow::Result;

use crate::async_runtime::block_on;
use crate::context::Context;
use crate::exit_status::ExitStatus;

/// Every command. `--help` shows the first line of each comment.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Install a Python runtime and make it the default
    Init(init::Args),
    /// Install and manage Python runtimes
    #[command(subcommand)]
    Runtime(runtime::Command),
    /// Create and manage virtual environments
    #[command(subcommand)]
    Venv(venv::Command),
    /// Pack a runtime and packages into one file, for machines without a network
    #[command(subcommand)]
    Bundle(bundle::Command),
    /// Show or clean the cache
    #[command(subcommand)]
    Cache(cache::Command),
    /// Create and check the environments of the providers in providers.toml
    Provider(provider::Args),
    /// Start a server in the background
    Start(start::Args),
    /// Run a server process; `start` starts one
    #[command(hide = true)]
    Serve(serve::Args),
    /// Show running servers, and what became of the others
    Status(status::Args),
    /// Show servers, their sessions and what these run, live
    Top(top::Args),
    /// Stop a server; running calls finish first
    Stop(stop::Args),
    /// Restart a server with the same settings
    Restart(restart::Args),
    /// Show a server's log
    Logs(logs::Args),
    /// Print an address that lets one browser in, for a server's own pages
    ConsoleUrl(console_url::Args),
    /// Check the whole setup, and say how to fix problems
    Config,
    /// Create and manage the tokens that let other users and machines in
    #[command(subcommand)]
    Token(token::Command),
    /// Create and manage the sessions of a server
    #[command(subcommand)]
    Session(session::Command),
    /// Start a debugger in a session, and say how to attach to it
    Debug(debug::Args),
    /// Evaluate Python code and print the result
    Eval(eval::Args),
    /// Run a script or module with the environment's Python, as `python FILE` does
    Run(run::Args),
    /// Open a Python prompt, on a running server or on its own
    Python(python::Args),
    /// Try everything once: Python, environment, server, typed results
    Quickstart(quickstart::Args),
    /// Choose a command from a menu
    Menu,
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Write manual pages, for `man`
    ManPages(man_pages::Args),
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
            Command::Status(args) => match args.watch {
                Some(interval) => block_on(top::watch(context, interval)),
                None => status::run(context),
            },
            Command::Top(args) => block_on(top::run(context, args)),
            Command::Stop(args) => stop::run(context, args),
            Command::Restart(args) => restart::run(context, args),
            Command::Logs(args) => logs::run(context, &args),
            Command::ConsoleUrl(args) => block_on(console_url::run(context, &args)),
            Command::Config => config::run(context),
            Command::Token(command) => token::run(context, command),
            Command::Session(command) => block_on(session::run(context, command)),
            Command::Debug(args) => block_on(debug::run(context, args)),
            Command::Eval(args) => block_on(eval::run(context, args)),
            Command::Run(args) => run::run(context, args),
            Command::Python(args) => python::run(context, args),
            Command::Quickstart(args) => block_on(quickstart::run(context, args)),
            Command::Menu => menu::run::run(context),
            Command::Completions(args) => completions::run(context, &args),
            Command::ManPages(args) => man_pages::run(context, &args),
        }
    }
}
