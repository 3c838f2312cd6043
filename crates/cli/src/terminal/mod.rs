//! What a person at a terminal sees and types: line editing, selection by keys, and commands that run in the foreground.

pub(crate) mod above_line;
pub(crate) mod changed_modes;
pub(crate) mod completer;
pub(crate) mod confirm;
pub(crate) mod detect;
pub(crate) mod full_screen;
pub(crate) mod line_editor;
pub(crate) mod read_line;
mod rows;
pub(crate) mod select;
pub(crate) mod shell_words;
pub(crate) mod subprocess;
mod suspend;
pub(crate) mod terminal_input;
pub(crate) mod typed_ahead;
