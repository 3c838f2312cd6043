//! The examples in the help of every command run.

use std::process::Command;

use super::page::Page;
use super::run::run;

/// The examples in an order in which they work, and what they need in between.
const SCRIPT: &str = r"
printf 'import sys\nprint(sys.argv)\n' > script.py
printf 'six\n' > requirements.txt
mkdir -p ~/.beep-python && printf '[provider.huggingface]\npackages = [\042six\042]\n' > ~/.beep-python/providers.toml
beep-python init
beep-python init --system
beep-python runtime list
beep-python runtime list --all
beep-python venv create mine
beep-python venv install mine numpy 'requests>=2'
beep-python venv install mine -r requirements.txt
beep-python venv uninstall mine requests
beep-python venv packages mine
beep-python venv freeze mine > frozen.txt
beep-python venv tree mine
beep-python venv list
beep-python venv status mine
beep-python venv repair mine
beep-python venv lock mine
beep-python venv lock mine -o pylock.toml
beep-python venv sync mine
beep-python venv sync mine pylock.toml
beep-python venv clone mine copy
beep-python venv delete copy --yes
beep-python venv prune --idle 30d
beep-python cache info
beep-python cache clean
beep-python provider list
beep-python provider ensure huggingface
beep-python provider ensure huggingface --create
beep-python provider packages huggingface
beep-python provider accelerator
beep-python config
beep-python start http rpc --venv mine --preload numpy
beep-python stop
beep-python start http --timeout 1m --max-memory 2G
beep-python stop --all --grace 1s
beep-python start http
beep-python status
beep-python status --json
beep-python top --count 1
beep-python logs
beep-python console-url
beep-python token create ci --expires 30d --sessions-only
beep-python token list
beep-python token rotate ci
beep-python token rotate default
beep-python token revoke ci
beep-python session create --idle 30m --max-memory 512M
beep-python session create --venv mine --env MODE=test
beep-python session list
beep-python session show default
beep-python session handles default
beep-python session interrupt default
beep-python session interrupt default --abort-queued
beep-python session restart default
beep-python session delete s1
beep-python eval '1 + 1'
beep-python eval --venv mine 'import sys; sys.prefix'
beep-python eval --timeout 5s - < script.py
beep-python run script.py
beep-python run --venv mine script.py --verbose 2026
beep-python run -m timeit 'sum(range(1000))'
beep-python python < script.py
beep-python restart
beep-python stop
beep-python quickstart
beep-python quickstart --system
beep-python completions bash > completions.sh
beep-python man-pages man/man1
";

/// Those that cannot run here, and why.
const NOT_RUN: [(&str, &str); 19] = [
    ("init --python 3.12", "needs this version"),
    ("runtime install 3.12 3.13", "downloads Pythons"),
    ("runtime use 3.13", "needs this version"),
    ("runtime remove 3.12", "needs this version"),
    ("venv create web --python 3.12 --with requests", "needs this version"),
    ("venv install mine -e .", "needs a project; the tests of the command have one"),
    ("venv repair mine --python 3.13", "needs this version"),
    ("venv admin", "needs an index with setuptools"),
    ("bundle create mine.bundle --python 3.12 --with requests", "downloads a Python"),
    ("bundle install mine.bundle mine", "needs a bundle"),
    ("bundle show mine.bundle", "needs a bundle"),
    ("logs --follow", "does not end"),
    ("status --watch", "does not end"),
    ("top", "does not end"),
    ("top --sort memory --interval 500ms", "does not end"),
    ("debug default --install", "needs debugpy"),
    ("python", "needs a terminal"),
    ("python default", "needs a terminal"),
    ("menu", "needs a terminal"),
];

/// The examples in the help of the command at `path`, and of those below it.
fn examples(path: &[&str], found: &mut Vec<String>) {
    let help = Command::new(env!("CARGO_BIN_EXE_beep-python")).args(path).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let section = |title: &str| {
        let lines = help.lines().skip_while(|line| *line != title).skip(1);
        lines.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let own = section("Examples:");
    let below: Vec<String> = section("Commands:")
        .iter()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert!(!below.is_empty() || !own.is_empty() || path == ["menu"], "{path:?} has no examples");
    found.extend(own);
    for name in below.iter().filter(|name| *name != "help") {
        examples(&[path, &[name.as_str()]].concat(), found);
    }
}

pub(crate) fn failures() -> Vec<String> {
    let mut all = Vec::new();
    examples(&[], &mut all);
    let known = |example: &String| {
        let line = example.strip_prefix("beep-python ").unwrap_or(example);
        SCRIPT.lines().any(|known| known == example) || NOT_RUN.iter().any(|(known, _)| *known == line)
    };
    let unknown: Vec<_> = all.iter().filter(|example| !known(example)).collect();
    assert!(unknown.is_empty(), "no test runs {unknown:?}");
    let of_none = |line: &&str| line.starts_with("beep-python ") && !all.iter().any(|example| example == line);
    let gone: Vec<_> = SCRIPT.lines().filter(of_none).collect();
    assert!(gone.is_empty(), "no help shows {gone:?}");
    // A step for each line.
    let steps: String = SCRIPT.lines().filter(|line| !line.is_empty()).map(|line| format!("{line}\n#> …\n")).collect();
    run(&Page::parse("the examples of --help", &format!("```sh\n{steps}```\n")))
}
