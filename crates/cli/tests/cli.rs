//! The command line as a black box: what people type, what they see, and what remains.

#[path = "../../runtime/tests/support/mod.rs"]
mod support;

mod cli {
    mod bundles;
    mod certificates;
    mod completions;
    mod console;
    mod ctrl_c;
    mod debug;
    mod environments;
    mod errors;
    mod eval;
    mod index;
    mod installers;
    mod killed;
    mod logging;
    mod mending;
    mod packages;
    mod project;
    mod prompt;
    mod providers;
    mod quickstart;
    mod runtimes;
    mod servers;
    mod sessions;
    mod source_text;
    mod sources;
    mod stdin;
    mod surroundings;
    mod terminal;
    mod test_home;
}
