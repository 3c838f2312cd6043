//! The default token of a server: from an option, a variable, or the home.

use std::path::{Path, PathBuf};

use anyhow::Result;
use beep_python_server::auth::TokenText;
use beep_python_server::launch::ServerRecord;

use crate::context::Context;
use crate::environment_variables::{TOKEN, TOKEN_FILE};
use crate::error::CliError;
use crate::server::lookup::lasting_servers;
use crate::server::settings::ServerArgs;

/// Looks for the token of a new server where the options name none: a text in a variable is returned, for the server alone; a file
/// that a variable names becomes one of the options, so that a restart keeps it.
pub(crate) fn take_from_env(args: &mut ServerArgs) -> Result<Option<TokenText>> {
    if args.token_file.is_some() {
        return Ok(None);
    }
    if let Some(token) = text_in_env()? {
        return Ok(Some(token));
    }
    let file = std::env::var_os(TOKEN_FILE).filter(|path| !path.is_empty()).map(PathBuf::from);
    args.token_file = file.map(std::path::absolute).transpose()?;
    Ok(None)
}

/// The token of a server that starts again: the one that it was given is in nothing but its memory.
pub(crate) fn of_restarted(record: &ServerRecord) -> Result<Option<TokenText>> {
    match &record.token_file {
        Some(_) => Ok(None),
        None => text_in_env()?.map(Some).ok_or_else(|| CliError::TokenNotHere(record.id.clone()).into()),
    }
}

/// Names the running servers whose default token is not that of the home, which a new text in the home does not change.
pub(crate) fn note_unaffected(context: &Context) -> Result<()> {
    let home = context.home()?;
    let own = home.root().join("token");
    for (ServerRecord { id, token_file, .. }, _) in lasting_servers(&home)? {
        match token_file {
            Some(file) if is_same(&file, &own) => {}
            Some(file) => context.printer.note(format_args!(
                "warning: the server {id} goes on taking the token in {}: change that file, or start the server again without it",
                file.display()
            )),
            None => context.printer.note(format_args!(
                "warning: the server {id} goes on taking the token that {TOKEN} gave it: `beep-python restart {id}` with another text in {TOKEN} changes it"
            )),
        }
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn text_in_env() -> Result<Option<TokenText>> {
    let Some(text) = std::env::var_os(TOKEN).filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong =
        || CliError::WrongVariable(format!("{TOKEN} holds no token, which has 16 to 512 visible characters of ASCII"));
    Ok(Some(TokenText::new(&text.to_string_lossy()).ok_or_else(wrong)?))
}
