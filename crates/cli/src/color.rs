//! Colors: when to use them, and which.

use std::io::IsTerminal;

use clap::ColorChoice;
use nu_ansi_term::{Color, Style};

use crate::environment_variables::NO_COLOR;
use crate::terminal::detect::is_dumb;

/// Where to use colors: as `--color` says, else on terminals that support them, unless `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colors {
    pub(crate) choice: ColorChoice,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Colors {
    pub(crate) fn new(choice: ColorChoice) -> Colors {
        let on = |terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !is_set(NO_COLOR) && !is_dumb(),
        };
        Colors { choice, stdout: on(std::io::stdout().is_terminal()), stderr: on(std::io::stderr().is_terminal()) }
    }

    /// The choice on a command line that is not parsed yet, since the parser prints in color too.
    pub(crate) fn choice_in(arguments: impl Iterator<Item = std::ffi::OsString>) -> ColorChoice {
        let mut choice = ColorChoice::Auto;
        let mut named = false;
        for argument in arguments.filter_map(|argument| argument.into_string().ok()) {
            let value = if named { Some(argument.as_str()) } else { argument.strip_prefix("--color=") };
            choice = value.and_then(|value| value.parse().ok()).unwrap_or(choice);
            named = argument == "--color";
        }
        choice
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

pub(crate) const ERROR: Style = bold(Color::Red);
pub(crate) const HINT: Style = bold(Color::Cyan);
pub(crate) const COMMAND: Style = bold(Color::Green);
pub(crate) const OPTION: Style = plain(Color::Cyan);
pub(crate) const TEXT: Style = plain(Color::Yellow);
pub(crate) const FAINT: Style = plain(Color::DarkGray);

const fn plain(color: Color) -> Style {
    let none = Style {
        foreground: None,
        background: None,
        is_bold: false,
        is_dimmed: false,
        is_italic: false,
        is_underline: false,
        is_blink: false,
        is_reverse: false,
        is_hidden: false,
        is_strikethrough: false,
        prefix_with_reset: false,
    };
    none.fg(color)
}

const fn bold(color: Color) -> Style {
    plain(color).bold()
}

/// The text in a style if `on`, else unchanged.
pub(crate) fn paint(on: bool, style: Style, text: &str) -> String {
    if on { style.paint(text).to_string() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice_is_found_anywhere_on_the_command_line() {
        let choice = |line: &str| Colors::choice_in(line.split(' ').map(Into::into));
        assert_eq!(choice("--color never status"), ColorChoice::Never);
        assert_eq!(choice("status --color=always"), ColorChoice::Always);
        assert_eq!(choice("status --color"), ColorChoice::Auto);
        assert_eq!(choice("status --color=pink"), ColorChoice::Auto);
        assert_eq!(choice("status"), ColorChoice::Auto);
    }
}
