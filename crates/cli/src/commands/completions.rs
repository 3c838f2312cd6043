//! `completions`: a script that makes a shell ask this program for completions.

use anyhow::Result;
use clap::ValueEnum;
use clap_complete::env::Shells;

use crate::context::Context;
use crate::exit_status::ExitStatus;

/// Set by the script of `completions` when the shell asks for completions.
pub(crate) const VARIABLE: &str = "BEEP_PYTHON_COMPLETE";

const NAME: &str = "beep-python";

#[derive(clap::Args)]
#[command(after_help = "\
Names of environments, servers, sessions, runtimes and versions are completed too.

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
    // By name, so that the script survives an update of the program.
    completer.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
    context.printer.raw(&script);
    Ok(ExitStatus::Success)
}
