//! `venv prune`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use beep_python_runtime::environment::{EnvironmentError, EnvironmentStatus};
use beep_python_runtime::platform::{Home, error_chain, parse_duration};
use beep_python_server::launch::records;
use indicatif::{HumanBytes, HumanDuration};
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::terminal::confirm::confirm_deletion;

/// `30d`, `12h`, `90m`. A mere number would be seconds, as elsewhere, and delete what was meant to be kept for days.
pub(super) fn idle_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    match text.trim().ends_with(|c: char| c.is_ascii_alphabetic()) {
        true => Ok(time),
        false => Err(format!("give it a unit: {text}d is days, {text}h hours", text = text.trim())),
    }
}

pub(super) fn prune(context: &Context, idle: Duration, yes: bool) -> Result<ExitStatus> {
    let home = context.home()?;
    let environments = context.environments()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = now.saturating_sub(idle).as_secs();
    let is_idle =
        |status: &EnvironmentStatus| status.record.is_some() && status.last_used.is_some_and(|at| at < before);
    let (used, mut idle): (Vec<EnvironmentStatus>, _) =
        environments.list()?.into_iter().filter(is_idle).partition(|status| in_use(&home, status).unwrap_or(true));
    // A server that started long ago uses its environment today.
    used.iter().filter_map(|status| environments.open(&status.name).ok()).for_each(|used| used.mark_used());
    idle.iter_mut().for_each(EnvironmentStatus::measure);
    if !idle.is_empty() && !yes {
        for status in &idle {
            let unused = Duration::from_secs(now.as_secs().saturating_sub(status.last_used.unwrap_or_default()));
            let size = HumanBytes(status.size_bytes.unwrap_or_default());
            context.printer.note(format_args!("{}: {size}, not used for {}", status.name, HumanDuration(unused)));
        }
        let number = idle.len();
        let what = if number == 1 { "this environment".to_owned() } else { format!("these {number} environments") };
        if !confirm_deletion(&format!("Delete {what}?"))? {
            let names: Vec<_> = idle.iter().map(|status| status.name.as_str()).collect();
            return Err(CliError::Unconfirmed(names.join(", ")).into());
        }
    }
    let (mut deleted, mut bytes) = (Vec::new(), 0);
    for status in idle {
        // A server may have started in it meanwhile.
        if in_use(&home, &status)? {
            continue;
        }
        match environments.delete(&status.name) {
            Err(EnvironmentError::InUse { .. }) => continue,
            Err(error @ EnvironmentError::UseUnknown { .. }) => {
                context.printer.note(format_args!("notice: {}", error_chain(&error)));
                continue;
            }
            deleted => deleted?,
        }
        bytes += status.size_bytes.unwrap_or_default();
        deleted.push(status.name);
    }
    context.printer.result(json!({"deleted": deleted, "freedBytes": bytes}), || match deleted.is_empty() {
        true => context.printer.line("No environment was unused for that long."),
        false => context.printer.line(format_args!("Deleted {}; freed {}", deleted.join(", "), HumanBytes(bytes))),
    });
    Ok(ExitStatus::Success)
}

fn in_use(home: &Home, status: &EnvironmentStatus) -> Result<bool> {
    Ok(!status.users.is_empty()
        || records(home)?.iter().any(|(record, state)| state.may_be_alive() && record.environment_path == status.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(idle_time("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(idle_time("0s"), Ok(Duration::ZERO));
        for text in ["", "30", "d", "-1d", "1y", "99999999999999999999d", "99999999999999999999w"] {
            assert!(idle_time(text).is_err(), "{text}");
        }
    }
}
