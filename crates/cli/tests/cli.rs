//! The command line as a black box: what people type, what they see, and what remains.

#[path = "../../runtime/tests/support/mod.rs"]
mod support;

mod cli {
    mod audit;
    mod bodies;
    mod bundles;
    mod certificates;
    #[cfg(feature = "otel")]
    mod collector;
    mod completions;
    mod console;
    mod ctrl_c;
    mod curl;
    mod damage;
    mod dashboard;
    mod debug;
    mod descriptors;
    mod dotnet_link;
    mod elsewhere;
    mod environments;
    mod errors;
    mod eval;
    mod first_process;
    mod forged_answers;
    mod hidden_variables;
    mod identity;
    mod idle_limits;
    mod index;
    mod inherited_signals;
    mod install_options;
    mod installers;
    mod killed;
    mod like_python;
    mod locks;
    mod logging;
    mod mending;
    mod messages;
    mod metrics;
    mod packages;
    mod predecessor;
    mod preload;
    mod probes;
    mod project;
    mod prompt;
    mod providers;
    mod quickstart;
    mod raw_output;
    mod remote;
    mod restart;
    mod run;
    mod runtimes;
    mod sandbox;
    mod servers;
    mod service_manager;
    mod sessions;
    mod source_text;
    mod sources;
    mod stdin;
    mod surroundings;
    mod terminal;
    mod test_home;
    mod tls;
    mod tokens;
    mod top;
    #[cfg(feature = "otel")]
    mod traces;
    mod typing;
    mod unwritable_log;
}
