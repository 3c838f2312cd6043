//! `token`: what lets other users and machines in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use beep_python_server::auth::{DEFAULT_TOKEN, NamedToken, NamedTokens, NewToken};
use serde_json::json;

use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::default_token;
use crate::server::settings::duration;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the tokens of the home; their texts are not kept
    #[command(visible_alias = "ls")]
    List,
    /// Create a token, and print its text: it is not shown again
    Create(Create),
    /// Refuse a token from now on, also on open connections
    #[command(visible_alias = "rm")]
    Revoke(Named),
    /// Give a token a new text, and refuse the old one; `default` is the one in the file `token` of the home
    Rotate(Named),
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// Its name, which logs show
    name: String,
    /// How long it is good, such as 30d [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    expires: Option<Duration>,
    /// Let it do everything in sessions, and nothing with environments
    #[arg(long)]
    sessions_only: bool,
}

#[derive(clap::Args)]
pub(crate) struct Named {
    /// The token
    name: String,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<ExitStatus> {
    let printer = &context.printer;
    let tokens = NamedTokens::of(&context.home()?);
    match command {
        Command::List => {
            let listed = tokens.list()?;
            let json: Vec<_> = listed
                .iter()
                .map(|token| {
                    let NamedToken { name, created, expires, sessions_only, .. } = token;
                    json!({"name": name, "created": created, "expires": expires, "expired": token.is_expired(), "sessionsOnly": sessions_only})
                })
                .collect();
            printer.result(json!(json), || match listed.is_empty() {
                true => printer.line("There are no tokens but the default one"),
                false => printer.table(&["TOKEN", "MAY", "CREATED", "EXPIRES"], listed.iter().map(row).collect()),
            });
        }
        Command::Create(Create { name, expires, sessions_only }) => {
            show(context, &tokens.create(&name, expires, sessions_only)?);
        }
        Command::Rotate(Named { name }) => {
            show(context, &tokens.rotate(&name)?);
            if name == DEFAULT_TOKEN {
                default_token::note_unaffected(context)?;
            }
        }
        Command::Revoke(Named { name }) => {
            tokens.revoke(&name)?;
            printer.result(json!({"revoked": name}), || printer.line(format_args!("Revoked the token {name}")));
        }
    }
    Ok(ExitStatus::Success)
}

/// The text alone is the result, so that a script can take it.
fn show(context: &Context, NewToken { name, text, expires }: &NewToken) {
    let printer = &context.printer;
    printer.result(json!({"name": name, "token": text, "expires": expires}), || {
        printer.line(text);
        let until = expires.map_or_else(|| "until it is revoked".to_owned(), |end| format!("for {}", span(end, now())));
        printer.note(match &name[..] {
            DEFAULT_TOKEN => "The file `token` of the home has it".to_owned(),
            _ => format!("The token {name} is good {until}, and its text is not shown again"),
        });
    });
}

fn row(token: &NamedToken) -> Vec<String> {
    let NamedToken { name, created, expires, sessions_only, .. } = token;
    let expires = match expires {
        None => "never".to_owned(),
        Some(_) if token.is_expired() => "expired".to_owned(),
        Some(end) => format!("in {}", span(*end, now())),
    };
    let may = if *sessions_only { "sessions only" } else { "everything" };
    vec![name.clone(), may.to_owned(), format!("{} ago", span(now(), *created)), expires]
}

/// The time between two moments, in its largest unit.
fn span(end: u64, start: u64) -> String {
    let seconds = end.saturating_sub(start);
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")];
    let (length, unit) = units.into_iter().find(|(length, _)| seconds >= 2 * length).unwrap_or((1, "s"));
    format!("{} {unit}", seconds.div_ceil(length))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
