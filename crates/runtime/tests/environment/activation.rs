//! Activation scripts, in every shell of this machine.

use std::fs;
use std::process::Command;

use crate::support::output;
use crate::{awkward_manager, python};

#[test]
fn activation_and_deactivation_work_in_posix_shells() {
    let (folder, manager) = awkward_manager();
    let environment = manager.create("mine", python()).unwrap();
    let script = folder.path().join("try.sh");
    let bin = environment.path.join("bin");
    fs::write(
        &script,
        "set -eu\n\
         before=$PATH; PYTHONHOME=/nowhere; PS1='$ '\n\
         . \"$1\"\n\
         echo \"$VIRTUAL_ENV\"; command -v python; echo \"${PYTHONHOME-unset}\"; echo \"$PS1\"\n\
         python -I -c 'import sys; print(sys.prefix)'\n\
         . \"$1\"\n\
         deactivate\n\
         test \"$before\" = \"$PATH\"; echo \"${VIRTUAL_ENV-unset} $PYTHONHOME $PS1\"\n\
         if [ \"$(command -v deactivate)\" = deactivate ]; then exit 7; fi\n",
    )
    .unwrap();
    let shells = ["sh", "bash", "dash", "zsh", "ksh", "busybox"];
    let there =
        |shell: &&str| Command::new(shell).args(["-c", "true"]).output().is_ok_and(|output| output.status.success());
    let shells: Vec<&str> = shells.into_iter().filter(|shell| there(shell)).collect();
    assert!(shells.contains(&"sh"));
    for shell in shells {
        let said = output(
            Command::new(shell).arg(&script).arg(bin.join("activate")).current_dir("/").env_remove("VIRTUAL_ENV"),
        );
        let prefix = environment.path.display();
        let expected = format!("{prefix}\n{prefix}/bin/python\nunset\n(mine) $ \n{prefix}\nunset /nowhere $");
        assert_eq!(said, expected, "{shell}");
    }
}

/// What a shell of another family is told: activate, activate again, take it back. It says what it found before and after.
const FISH: &str = r#"
function fish_prompt; printf '$ '; end
set -gx PYTHONHOME /nowhere
set -g --path before $PATH
source $argv[1]
echo $VIRTUAL_ENV; command -s python; set -q PYTHONHOME; or echo unset; fish_prompt; echo
python -I -c 'import sys; print(sys.prefix)'
source $argv[1]
deactivate
test "$before" = "$PATH"; or echo another PATH: $PATH
set -q VIRTUAL_ENV; or printf 'unset '; printf '%s ' $PYTHONHOME; fish_prompt; echo
functions -q deactivate; and exit 7
exit 0
"#;

const CSH: &str = r#"
set prompt="$ "
setenv PYTHONHOME /nowhere
set before="$PATH:q"
set script="$1:q"
source "$script:q"
echo "$VIRTUAL_ENV:q"; which python; if ( ! $?PYTHONHOME ) echo unset
echo "$prompt:q"
python -I -c 'import sys; print(sys.prefix)'
source "$script:q"
deactivate
if ( "$before:q" != "$PATH:q" ) echo "another PATH: $PATH:q"
if ( ! $?VIRTUAL_ENV ) echo "unset $PYTHONHOME $prompt:q"
if ( "`alias deactivate`" != "" ) exit 7
exit 0
"#;

#[test]
fn activation_and_deactivation_work_in_fish_and_tcsh() {
    let (folder, manager) = awkward_manager();
    let environment = manager.create("mine", python()).unwrap();
    for (shell, plain, script, name) in
        [("fish", "--no-config", FISH, "activate.fish"), ("tcsh", "-f", CSH, "activate.csh")]
    {
        if Command::new(shell).args([plain, "-c", "true"]).output().is_err() {
            // Where it is known to be there, as `.ci/run` says, it must be.
            let needed = std::env::var("BEEP_PYTHON_TEST_SHELLS").unwrap_or_default();
            assert!(!needed.split_whitespace().any(|needed| needed == shell), "there is no {shell} on PATH");
            eprintln!("SKIPPED: there is no {shell} on PATH");
            continue;
        }
        let path = folder.path().join(name);
        fs::write(&path, script).unwrap();
        let mut command = Command::new(shell);
        command.arg(plain).arg(&path).arg(environment.path.join("bin").join(name)).current_dir("/");
        // fish keeps its history and variables there.
        let said = output(command.env("HOME", folder.path()).env_remove("VIRTUAL_ENV").env_remove("XDG_CONFIG_HOME"));
        let prefix = environment.path.display();
        let expected = format!("{prefix}\n{prefix}/bin/python\nunset\n(mine) $ \n{prefix}\nunset /nowhere $");
        assert_eq!(said, expected, "{shell}");
    }
}
