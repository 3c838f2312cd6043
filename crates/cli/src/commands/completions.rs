//! `completions`: a script for a shell, which asks this program what can come next.

use anyhow::Result;
use clap::ValueEnum;
use clap_complete::env::Shells;

use crate::context::Context;
use crate::exit_status::ExitStatus;

/// Set by the scripts of `completions`, when a shell wants to know what can come next.
pub(crate) const VARIABLE: &str = "BEEP_PYTHON_COMPLETE";

const NAME: &str = "beep-python";

#[derive(clap::Args)]
#[command(after_help = "\
Names that exist (environments, servers, sessions, runtimes, versions) are completed too.

  bash        source <(beep-python completions bash)                    in ~/.bashrc
  zsh         source <(beep-python completions zsh)                     in ~/.zshrc, after compinit
  fish        beep-python completions fish | source                     in ~/.config/fish/config.fish
  powershell  beep-python completions powershell | Out-String | Invoke-Expression   in $PROFILE")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "lower")]
enum Shell {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    Pwsh,
    Zsh,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<ExitStatus> {
    let shell = args.shell.to_possible_value().expect("a shell that can be chosen");
    let shells = Shells::builtins();
    let completer = shells.completer(shell.get_name()).expect("a shell that can be chosen");
    let mut script = Vec::new();
    // By name, so that the script stays right when the program is replaced by a newer one.
    completer.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
    context.printer.raw(&String::from_utf8_lossy(&script));
    Ok(ExitStatus::Success)
}
