//! `man-pages`: this program's help as manual pages, a file for each command.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;

#[derive(clap::Args)]
#[command(after_help = "\
`man` finds pages in a folder man1 below those of MANPATH, or of ~/.local/share/man.")]
pub(crate) struct Args {
    /// The folder, which is made if it is missing
    folder: PathBuf,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitStatus> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    clap_mangen::generate_to((context.tree)(), folder)
        .with_context(|| format!("cannot write the pages into {}", folder.display()))?;
    context.printer.result(json!({"folder": path_json(folder)}), || {
        let first = folder.join("beep-python.1");
        context.printer.line(format_args!("The pages are in {}: man {}", folder.display(), first.display()));
    });
    Ok(ExitStatus::Success)
}
