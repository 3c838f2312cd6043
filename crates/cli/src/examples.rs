//! Examples of each command, for its help. A test runs them in the order of its own list, but for those that it names with a reason.

use clap::Command;

const EXAMPLES: [(&str, &[&str]); 55] = [
    ("init", &["init", "init --python 3.12", "init --system"]),
    ("runtime list", &["runtime list", "runtime list --all"]),
    ("runtime install", &["runtime install 3.12 3.13"]),
    ("runtime use", &["runtime use 3.13"]),
    ("runtime remove", &["runtime remove 3.12"]),
    ("venv create", &["venv create mine", "venv create web --python 3.12 --with requests"]),
    (
        "venv install",
        &["venv install mine numpy 'requests>=2'", "venv install mine -r requirements.txt", "venv install mine -e ."],
    ),
    ("venv uninstall", &["venv uninstall mine requests"]),
    ("venv packages", &["venv packages mine"]),
    ("venv freeze", &["venv freeze mine > frozen.txt"]),
    ("venv tree", &["venv tree mine"]),
    ("venv list", &["venv list"]),
    ("venv status", &["venv status mine"]),
    ("venv repair", &["venv repair mine", "venv repair mine --python 3.13"]),
    ("venv lock", &["venv lock mine", "venv lock mine -o pylock.toml"]),
    ("venv sync", &["venv sync mine", "venv sync mine pylock.toml"]),
    ("venv clone", &["venv clone mine copy"]),
    ("venv delete", &["venv delete copy --yes"]),
    ("venv prune", &["venv prune --idle 30d"]),
    ("venv admin", &["venv admin"]),
    ("bundle create", &["bundle create mine.bundle --python 3.12 --with requests"]),
    ("bundle install", &["bundle install mine.bundle mine"]),
    ("bundle show", &["bundle show mine.bundle"]),
    ("cache info", &["cache info"]),
    ("cache clean", &["cache clean"]),
    ("provider list", &["provider list"]),
    ("provider ensure", &["provider ensure huggingface", "provider ensure huggingface --create"]),
    ("provider packages", &["provider packages huggingface"]),
    ("provider accelerator", &["provider accelerator"]),
    ("start", &["start http", "start http rpc --venv mine --preload numpy", "start http --timeout 1m --max-memory 2G"]),
    ("status", &["status", "status --json", "status --watch"]),
    ("top", &["top", "top --count 1", "top --sort memory --interval 500ms"]),
    ("logs", &["logs", "logs --follow"]),
    ("console-url", &["console-url"]),
    ("token create", &["token create ci --expires 30d --sessions-only"]),
    ("token list", &["token list"]),
    ("token rotate", &["token rotate ci", "token rotate default"]),
    ("token revoke", &["token revoke ci"]),
    ("session create", &["session create --idle 30m --max-memory 512M", "session create --venv mine --env MODE=test"]),
    ("session list", &["session list"]),
    ("session show", &["session show default"]),
    ("session handles", &["session handles default"]),
    ("session interrupt", &["session interrupt default", "session interrupt default --abort-queued"]),
    ("session restart", &["session restart default"]),
    ("session delete", &["session delete s1"]),
    ("debug", &["debug default --install"]),
    ("eval", &["eval '1 + 1'", "eval --venv mine 'import sys; sys.prefix'", "eval --timeout 5s - < script.py"]),
    ("run", &["run script.py", "run --venv mine script.py --verbose 2026", "run -m timeit 'sum(range(1000))'"]),
    ("python", &["python", "python default", "python < script.py"]),
    ("restart", &["restart"]),
    ("stop", &["stop", "stop --all --grace 1s"]),
    ("config", &["config"]),
    ("quickstart", &["quickstart", "quickstart --system"]),
    ("completions", &["completions bash > completions.sh"]),
    ("man-pages", &["man-pages man/man1"]),
];

/// The tree with the examples in the help of its commands.
pub(crate) fn with_examples(tree: Command) -> Command {
    add(tree, "")
}

fn add(command: Command, path: &str) -> Command {
    let said = command.get_after_help().map(|text| flowing(&text.ansi().to_string()));
    let examples = EXAMPLES.iter().find(|(of, _)| *of == path).map(|(_, lines)| {
        let lines: String = lines.iter().map(|line| format!("\n  beep-python {line}")).collect();
        format!("Examples:{lines}")
    });
    let all: Vec<String> = said.into_iter().chain(examples).collect();
    let command = if all.is_empty() { command } else { command.after_help(all.join("\n\n")) };
    command.mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name());
        add(sub, path.trim_start())
    })
}

/// The text with each paragraph on one line, which the parser breaks where the terminal ends. Those with indented lines stay.
fn flowing(text: &str) -> String {
    let is_table = |paragraph: &str| paragraph.lines().any(|line| line.starts_with(' '));
    let flow = |paragraph: &str| if is_table(paragraph) { paragraph.to_owned() } else { paragraph.replace('\n', " ") };
    text.split("\n\n").map(flow).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::command_line::Cli;

    #[test]
    fn every_command_has_examples_of_its_own() {
        let mut without = Vec::new();
        let mut todo = vec![(Cli::command(), String::new())];
        let mut found = 0;
        while let Some((command, path)) = todo.pop() {
            let subs: Vec<_> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
            match EXAMPLES.iter().find(|(of, _)| *of == path) {
                Some((_, lines)) => {
                    found += 1;
                    assert!(lines.iter().all(|line| line.starts_with(&path)), "{path}");
                }
                None if subs.is_empty() && path != "menu" => without.push(path.clone()),
                None => {}
            }
            todo.extend(subs.into_iter().map(|sub| {
                let path = format!("{path} {}", sub.get_name());
                (sub, path.trim_start().to_owned())
            }));
        }
        assert_eq!((without.as_slice(), found), (&[][..], EXAMPLES.len()));
    }
}
