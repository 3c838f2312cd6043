//! Options of `venv install`, `create` and `sync` as uv has them, its aliases, and paths where names go.

use std::fs;

use serde_json::{Value, json};

use super::index::{Index, Wheel, bare, from, make, tools, uv};
use super::test_home::{CommandOutput, TestHome};

/// An index with alpha in two versions and a pre-release, and beta, which requires it.
fn index() -> Index {
    let index = Index::of(&["alpha"]);
    index.add(Wheel { name: "alpha", version: "2.0", ..Wheel::default() });
    index.add(Wheel { name: "alpha", version: "3.0rc1", ..Wheel::default() });
    index.add(Wheel { name: "beta", version: "1.0", requires: &["alpha"], ..Wheel::default() });
    index
}

/// Runs a command that must succeed; returns its standard output.
fn done(index: &Index, home: &TestHome, tool: &str, line: &str) -> String {
    let output = from(index, home, tool, &line.split(' ').collect::<Vec<_>>());
    assert_eq!(output.code, Some(0), "{tool} {line}: {output:?}");
    output.stdout
}

#[test]
fn versions_are_chosen_as_uv_chooses_them() {
    for tool in tools() {
        let (index, home) = (index(), TestHome::with_runtime());
        let done = |line: &str| done(&index, &home, tool, line);
        done("venv create mine --with alpha<2");
        fs::write(home.directory().join("old.txt"), "alpha<2\n").unwrap();
        for (line, said) in [
            ("install mine beta", "Installed into mine: beta 1.0"),
            ("install mine alpha", "Nothing to do, mine has it: alpha 1.0"),
            // Dependencies too.
            ("install mine -U beta", "Installed into mine: alpha 1.0 → 2.0"),
            ("install mine --upgrade beta alpha", "Nothing to do, mine has it: alpha 2.0, beta 1.0"),
            ("install mine beta -c old.txt", "Installed into mine: alpha 2.0 → 1.0"),
            ("install mine --constraint old.txt alpha", "Nothing to do, mine has it: alpha 1.0"),
            ("install mine alpha<2 --reinstall", "Installed into mine: alpha 1.0 again"),
            ("install mine alpha --force-reinstall", "Installed into mine: alpha 1.0 → 2.0"),
            ("add mine --pre -U alpha", "Installed into mine: alpha 2.0 → 3.0rc1"),
            ("remove mine alpha -y", "Removed from mine: alpha 3.0rc1"),
            // beta is there, and nobody asked for what it requires.
            ("install mine beta --no-deps", "Nothing to do, mine has it: beta 1.0"),
            ("install mine beta", "Installed into mine: alpha 2.0"),
        ] {
            assert_eq!(done(&format!("venv {line}")), format!("{said}\n"), "{tool} {line}");
        }
        let changed: Value = serde_json::from_str(&done("venv install mine alpha<2 --json")).unwrap();
        assert_eq!(changed["changed"], json!([{"name": "alpha", "version": "1.0", "was": "2.0"}]), "{tool}");
        let missing = from(&index, &home, tool, &["venv", "install", "mine", "alpha", "-c", "none.txt"]);
        assert!(missing.stderr.starts_with("error: cannot read none.txt"), "{tool}: {missing:?}");
        // The lock shows what came in whose place, and what went.
        fs::write(home.directory().join("lock.txt"), "alpha==2.0\n").unwrap();
        let synced = done("venv sync mine lock.txt");
        assert_eq!(synced, "Installed into mine: alpha 1.0 → 2.0\nRemoved from mine: beta 1.0\n", "{tool}");
    }
}

#[test]
fn what_pip_cannot_do_is_said() {
    let (index, home) = (index(), TestHome::with_runtime());
    let done = |tool: &str, line: &str| done(&index, &home, tool, line);
    done("pip", "venv create mine --with alpha<2 --with beta");
    for option in ["--upgrade-package", "--reinstall-package"] {
        let refused = from(&index, &home, "pip", &["venv", "install", "mine", "beta", option, "alpha"]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = format!("error: {option} needs uv, and the packages are installed by pip\nhint: ");
        assert!(refused.stderr.starts_with(&said), "{refused:?}");
    }
    if uv().is_some() {
        assert_eq!(done("uv", "venv install mine beta -P alpha"), "Installed into mine: alpha 1.0 → 2.0\n");
        assert_eq!(
            done("uv", "venv install mine beta --reinstall-package alpha"),
            "Installed into mine: alpha 2.0 again\n"
        );
    }
}

#[test]
fn places_on_the_command_line_replace_configured_ones() {
    for tool in tools() {
        let (index, home) = (Index::of(&["alpha"]), TestHome::with_runtime());
        let wheels = home.directory().join("my wheels, here");
        make(&wheels, Wheel { name: "beta", version: "1.0", requires: &["alpha"], ..Wheel::default() });
        make(&wheels, Wheel { name: "gamma", version: "1.0", ..Wheel::default() });
        let run = |arguments: &[&str]| {
            let mut command = bare(&home, tool, arguments);
            // No such index.
            command.env("PIP_INDEX_URL", index.url().replace("/simple", "/nothing")).env("PIP_EXTRA_INDEX_URL", "");
            CommandOutput::from(command.output().unwrap())
        };
        let url = &*index.url();
        for (name, arguments, said) in [
            ("a", &["--with", "alpha", "--index-url", url][..], "alpha 1.0"),
            ("b", &["--with", "alpha", "-i", url], "alpha 1.0"),
            ("c", &["--with", "alpha", "--default-index", url], "alpha 1.0"),
            ("d", &["--with", "alpha", "--extra-index-url", url], "alpha 1.0"),
            ("e", &["--with", "alpha", "--index", url], "alpha 1.0"),
            ("f", &["--with", "beta", "-f", "my wheels, here", "--index-url", url], "alpha 1.0, beta 1.0"),
            ("g", &["--with", "gamma", "--find-links", "./my wheels, here", "--no-index"], "gamma 1.0"),
        ] {
            let made = run(&[&["venv", "create", name], arguments].concat());
            assert!(
                made.stdout.contains(&format!("Installed into {name}: {said}\n")),
                "{tool} {arguments:?}: {made:?}"
            );
        }
        let none = run(&["venv", "create", "h", "--with", "alpha"]);
        assert_eq!(none.code, Some(1), "{tool}: {none:?}");
        let closed = run(&["venv", "create", "h", "--with", "beta", "--no-index", "--find-links", "my wheels, here"]);
        assert!(closed.code == Some(1) && closed.stderr.contains("alpha"), "{tool}: {closed:?}");
    }
}

#[test]
fn quiet_prints_nothing_and_verbose_what_the_tool_prints() {
    for tool in tools() {
        let (index, home) = (index(), TestHome::with_runtime());
        let run = |line: &str| from(&index, &home, tool, &line.split(' ').collect::<Vec<_>>());
        for line in
            ["venv create mine -q --with alpha", "venv install mine --quiet beta", "venv uninstall -q mine beta"]
        {
            let quiet = run(line);
            assert_eq!((quiet.code, &*quiet.stdout, &*quiet.stderr), (Some(0), "", ""), "{tool} {line}");
        }
        let failed = run("venv install mine -q nosuch");
        assert!(failed.code == Some(1) && failed.stderr.starts_with("error: "), "{tool}: {failed:?}");
        let verbose = run("venv install mine -v beta");
        assert_eq!(verbose.stdout, "Installed into mine: beta 1.0\n", "{tool}");
        let sign = if tool == "uv" { "DEBUG " } else { "Using pip " };
        assert!(verbose.stderr.contains(sign), "{tool}: {verbose:?}");
    }
}

#[test]
fn packages_are_shown_as_requirements_and_as_a_tree() {
    let (index, home) = (index(), TestHome::with_runtime());
    index.add(Wheel {
        name: "gamma",
        version: "1.0",
        requires: &["beta", "alpha", "delta; python_version < '3'"],
        ..Wheel::default()
    });
    let folder = home.directory().join("elsewhere");
    let path = make(&folder, Wheel { name: "zeta", version: "1.0", ..Wheel::default() });
    done(&index, &home, "pip", &format!("venv create mine --with gamma --with {}", path.display()));
    let frozen = home.success(&["venv", "freeze", "mine"]);
    let zeta = format!("zeta @ file://{}", path.display());
    assert_eq!(frozen.lines().collect::<Vec<_>>(), ["alpha==2.0", "beta==1.0", "gamma==1.0", &zeta]);
    assert_eq!(home.json(&["venv", "freeze", "mine"])[3], zeta);
    let tree = "gamma v1.0\n├── beta v1.0\n│   └── alpha v2.0\n└── alpha v2.0\nzeta v1.0\n";
    assert_eq!(home.success(&["venv", "tree", "mine"]), tree);
    let requires = json!([{"requirement": "alpha", "installed": "2.0"}]);
    assert_eq!(
        home.json(&["venv", "tree", "mine"])[1],
        json!({"name": "beta", "version": "1.0", "requires": requires})
    );
    home.success(&["venv", "remove", "mine", "alpha"]);
    assert!(home.success(&["venv", "tree", "mine"]).contains("│   └── alpha (not installed)\n"));
}

#[test]
fn every_command_takes_a_path_where_a_name_goes() {
    let (index, home) = (index(), TestHome::with_runtime());
    done(&index, &home, "pip", "venv create mine --with alpha");
    let environments = home.root().join("environments");
    std::os::unix::fs::symlink(environments.join("mine"), home.directory().join(".venv")).unwrap();
    let absolute = environments.join("mine").display().to_string();
    for path in [".venv", "./.venv", &absolute, &format!("{absolute}/")] {
        for command in ["packages", "freeze", "tree", "status", "repair"] {
            home.success(&["venv", command, path]);
        }
        assert_eq!(home.json(&["venv", "status", path]), home.json(&["venv", "status", "mine"]), "{path}");
        assert_eq!(home.success(&["eval", "--venv", path, "1 + 1"]), "2\n", "{path}");
    }
    done(&index, &home, "pip", "venv lock .venv");
    assert_eq!(done(&index, &home, "pip", "venv install .venv beta"), "Installed into mine: beta 1.0\n");
    assert_eq!(done(&index, &home, "pip", "venv sync .venv"), "Removed from mine: beta 1.0\n");
    home.success(&["venv", "clone", ".venv", "copy"]);
    assert_eq!(home.success(&["venv", "rm", ".venv", "-y"]), "Deleted the environment mine\n");
    assert!(!environments.join("mine").exists());
    let names: Vec<Value> = home.json(&["venv", "ls"]).as_array().unwrap().iter().map(|e| e["name"].clone()).collect();
    assert_eq!(names, ["copy"]);
}

#[test]
fn environment_outside_of_the_home_is_shown_and_left_alone() {
    let home = TestHome::with_runtime();
    let python = super::test_home::python();
    let mut venv = std::process::Command::new(python);
    venv.args(["-m", "venv", "--without-pip", "a b"]).current_dir(home.directory());
    assert!(venv.status().unwrap().success());
    let path = home.directory().join("a b").display().to_string();
    assert_eq!(home.json(&["venv", "status", "a b"])["path"], path);
    assert_eq!(home.json(&["venv", "packages", "./a b"]), json!([]));
    for (command, action) in [
        (&["venv", "rm", "a b", "-y"][..], "deleted"),
        (&["venv", "repair", "a b"], "repaired"),
        (&["venv", "clone", "a b", "c"], "copied"),
    ] {
        let refused = home.run(command);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = format!("error: {path} is an environment outside of the home, which is not {action} here\n");
        assert!(refused.stderr.starts_with(&said), "{refused:?}");
    }
    assert!(home.directory().join("a b/pyvenv.cfg").exists());
    let wrong = home.run(&["venv", "status", "é"]);
    assert!(wrong.stderr.starts_with("error: \"é\" cannot name an environment"), "{wrong:?}");
}

#[test]
fn activation_lines_can_be_pasted() {
    let home = TestHome::new();
    let place = home.directory().join("it's $HOME \"here\"");
    let run = |arguments: &[&str]| {
        let output = home.command(arguments).env("BEEP_PYTHON_HOME", &place).output().unwrap();
        CommandOutput::from(output).stdout
    };
    run(&["init", "--system"]);
    let made = run(&["venv", "create", "mine"]);
    let line = made.lines().last().unwrap().strip_prefix("Activate it with:  ").unwrap();
    let script = format!("{line} && printf %s \"$VIRTUAL_ENV\"");
    let active = CommandOutput::from(std::process::Command::new("sh").args(["-c", &script]).output().unwrap());
    assert_eq!(active.stdout, place.join("environments/mine").display().to_string(), "{line}: {active:?}");
}
