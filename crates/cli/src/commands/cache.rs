//! `cache`: what can be made or downloaded again.

use anyhow::Result;
use beep_python_runtime::cache::{self, CachePart};
use beep_python_server::launch::records;
use indicatif::HumanBytes;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show what is cached, and its size
    #[command(alias = "ls")]
    Info,
    /// Remove what can be made or downloaded again, except what is in use
    #[command(alias = "clear")]
    Clean,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<ExitStatus> {
    let home = context.home()?;
    match command {
        Command::Info => {
            let parts = cache::info(&home)?;
            let folder = home.cache()?;
            context.printer.result(json!({"path": path_json(&folder), "parts": entries(&parts)}), || {
                let row = |part: &CachePart| {
                    vec![part.name.clone(), HumanBytes(part.size_bytes).to_string(), part.holds.to_owned()]
                };
                match parts.is_empty() {
                    true => context.printer.line(format_args!("Nothing is cached in {}", folder.display())),
                    false => context.printer.table(&["NAME", "SIZE", "HOLDS"], parts.iter().map(row).collect()),
                }
            });
        }
        Command::Clean => {
            let servers_run = records(&home)?.iter().any(|(_, state)| state.may_be_alive());
            let parts = cache::clean(&home, servers_run)?;
            let bytes: u64 = parts.iter().map(|part| part.size_bytes).sum();
            context.printer.result(json!({"removed": entries(&parts), "freedBytes": bytes}), || {
                context.printer.line(format_args!("Freed {}", HumanBytes(bytes)));
            });
        }
    }
    Ok(ExitStatus::Success)
}

fn entries(parts: &[CachePart]) -> Value {
    parts.iter().map(|part| json!({"name": part.name, "holds": part.holds, "sizeBytes": part.size_bytes})).collect()
}
