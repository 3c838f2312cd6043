//! `completions`: a script for a shell.

use anyhow::Result;
use clap::CommandFactory;

use crate::context::Context;
use crate::{Cli, Ended};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<Ended> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "beep-python", &mut script);
    context.printer.raw(&String::from_utf8_lossy(&script));
    Ok(Ended::Done)
}
