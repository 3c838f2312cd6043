//! What to do about errors of the home.

use beep_python_runtime::platform::HomeError;

use super::full::full;
use crate::terminal::shell_words::sh_quote;

pub(super) fn home(error: &HomeError) -> Option<String> {
    Some(match error {
        HomeError::Create { source, .. } if full(&source.to_string()).is_some() => return full(&source.to_string()),
        HomeError::NotSet | HomeError::Create { .. } => "set BEEP_PYTHON_HOME to a folder of your own".into(),
        HomeError::Unusable { .. } => "set BEEP_PYTHON_HOME to a folder with another path".into(),
        HomeError::ForeignOwner { .. } => {
            "set BEEP_PYTHON_HOME to a folder of your own; one that was prepared for group 0 is for one \
                                           user at a time"
                .into()
        }
        HomeError::Exposed { path, .. } => {
            format!(
                "take that away (`chmod go-w {}`), or set BEEP_PYTHON_HOME to a folder of your own",
                sh_quote(&path.to_string_lossy())
            )
        }
    })
}
