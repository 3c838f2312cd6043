//! The loop of the menu. Each choice prints the command that it runs.

use anyhow::Result;

use super::pages::{Page, Then};
use crate::context::Context;
use crate::error::CliError;
use crate::exit_status::ExitStatus;
use crate::terminal::detect::is_interactive;
use crate::terminal::line_editor::LineEditor;
use crate::terminal::read_line::ReadLine;
use crate::terminal::select::{Choice, Selection, select};
use crate::terminal::shell_words::{ShellWords, quote};
use crate::terminal::subprocess::CommandRunner;

pub(crate) fn run(context: &Context) -> Result<ExitStatus> {
    if !is_interactive() {
        return Err(CliError::NoTerminal("menu").into());
    }
    let colors = context.printer.colors.stdout;
    let runner = CommandRunner::new(context)?;
    let mut path = vec![Page::Top];
    while let Some(page) = path.last() {
        let Some(items) = page.items()? else {
            path.pop();
            continue;
        };
        let choices: Vec<_> =
            items.iter().map(|item| Choice { label: item.label.clone(), about: item.about.clone() }).collect();
        let chosen = match select(&page.title(), &choices, colors)? {
            Selection::One(at) => at,
            Selection::Back => {
                path.pop();
                continue;
            }
            Selection::Leave => break,
        };
        match items.into_iter().nth(chosen).map(|item| item.then) {
            None => {}
            Some(Then::Open(page)) => path.push(page),
            Some(Then::Run(command)) => show_and_run(context, &runner, &command),
            Some(Then::Ask { question, mut command, one_word }) => {
                let answer = LineEditor::bare(colors).read(&format!("{question}: "), "... ")?;
                match answer {
                    ReadLine::Line(answer) if !answer.trim().is_empty() => {
                        match one_word {
                            true => command.push(answer),
                            false => command.extend(ShellWords::parse(&answer).into_texts()),
                        }
                        show_and_run(context, &runner, &command);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(ExitStatus::Success)
}

fn show_and_run(context: &Context, runner: &CommandRunner, command: &[String]) {
    let shown: Vec<_> = command.iter().map(|word| quote(word)).collect();
    context.printer.line(format_args!("beep-python {}", shown.join(" ")));
    runner.run(context, command);
    context.printer.line("");
}
