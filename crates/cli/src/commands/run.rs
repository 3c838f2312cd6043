//! `run`: a script, as `python FILE` runs it.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::code::{Code, source_text_call};
use super::eval;
use super::streaming::Lines;
use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::exit_status::ExitStatus;
use crate::server::settings::duration;

#[derive(clap::Args)]
#[command(after_help = "\
Runs the file as `python FILE ARGS` does: in this folder, with sys.argv and __file__, as __main__, and
with the file's folder first on sys.path. It has a server of its own, which ends with it; its exit status
is that of the script. Options of this command stand before FILE.")]
pub(crate) struct Args {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Time limit, such as 30s; a script that exceeds it ends the command with status 124 [default: none]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// The script
    file: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let Args { environment, timeout, file, args } = args;
    // Before a server is started for nothing.
    File::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
    let code = source_text_call("run_script", &format!("{}, {}", json!(file.to_string_lossy()), json!(args)));
    let code = Code::Text(code);
    let args = eval::Args { code: Vec::new(), server: None, environment, session: None, timeout };
    eval::run_in(context, None, &args, &code, Lines::OfCode).await
}
