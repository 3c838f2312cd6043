//! What code and the processes that it starts find around them: variables, programs, packages.

use std::fs;

use super::terminal::Terminal;
use super::test_home::TestHome;

#[test]
fn children_run_the_environments_own_programs() {
    let home = TestHome::with_runtime();
    let environment = home.root().join("environments/runtime-host").display().to_string();
    let code = "import os, shutil, subprocess\nrun = lambda *command: subprocess.run(command, stdout=-1).stdout.decode().strip()\n\
                print(os.environ['VIRTUAL_ENV'], os.environ['PATH'].split(':')[0], shutil.which('python'), run('python', '-c', \
                'import sys; print(sys.prefix)'), run('sh', '-c', 'echo $VIRTUAL_ENV'), sep='\\n')";
    let printed = home.success(&["eval", code]);
    let bin = format!("{environment}/bin");
    let expected = [&*environment, &*bin, &*format!("{bin}/python"), &*environment, &*environment];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    // Where another one is active, and is on PATH already.
    let mut command = home.command(&["eval", "import os; os.environ['VIRTUAL_ENV'], os.environ['PATH']"]);
    command.env("VIRTUAL_ENV", "/other").env("PATH", format!("/usr/bin:{bin}:/bin"));
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("('{environment}', '{bin}:/usr/bin:/bin')\n"));
}

#[test]
fn variables_of_python_are_dropped_named_or_what_they_are() {
    let home = TestHome::with_runtime();
    for folder in ["given", "other", "of the session"] {
        fs::create_dir(home.directory().join(folder)).unwrap();
        fs::write(home.directory().join(folder).join("found.py"), format!("where = '{folder}'")).unwrap();
    }
    let mut start = home.command(&["start", "http", "--port", "0", "--python-path", "given", "--python-path", "none"]);
    start.env("PYTHONPATH", "other").env("PYTHONHOME", "/nowhere").env("PYTHONDONTWRITEBYTECODE", "1");
    assert!(start.output().unwrap().status.success());
    let log = home.success(&["logs"]);
    assert_eq!(log.matches("PYTHONPATH").count(), 1, "{log}");
    let code = "import found, os, subprocess, sys\nchild = [sys.executable, '-c', 'import found; print(found.where)']\n\
                print(found.where, subprocess.run(child, stdout=-1).stdout, os.environ.get('PYTHONHOME'), sys.dont_write_bytecode)";
    assert_eq!(home.success(&["eval", code]), "given b'given\\n' None True\n");
    home.success(&["restart"]);
    assert!(home.success(&["eval", code]).starts_with("given b'given\\n'"), "a restart keeps them");

    let in_session = |variables: &[&str], code: &str| {
        let named = variables.iter().flat_map(|variable| ["--env", variable]);
        let arguments: Vec<_> = ["session", "create"].into_iter().chain(named).collect();
        let id = home.success(&arguments).trim().to_owned();
        let printed = home.success(&["eval", "--session", &id, code]);
        home.success(&["session", "delete", &id]);
        printed
    };
    let path = format!("PYTHONPATH={}", home.directory().join("of the session").display());
    assert!(in_session(&[&path], code).starts_with("of the session b'of the session\\n'"));
    let hash = "print(hash('a')); import sys; print(sys.flags.hash_randomization, sys.flags.optimize, __debug__)";
    let first = in_session(&["PYTHONHASHSEED=0", "PYTHONOPTIMIZE=1"], hash);
    assert_eq!(first, in_session(&["PYTHONHASHSEED=0", "PYTHONOPTIMIZE=1"], hash));
    assert!(first.ends_with("0 1 False\n"), "{first}");
    assert!(in_session(&[], hash).ends_with("1 0 True\n"));
    let refused = home.run(&["session", "create", "--env", "PYTHONHASHSEED=five"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("PYTHONHASHSEED must be"), "{refused:?}");
    assert_eq!(home.success(&["eval", "1 + 1"]), "2\n", "the others go on");
}

#[test]
fn folders_with_a_colon_are_refused() {
    let refused = TestHome::new().run(&["start", "http", "--python-path", "a:b"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("has a colon"), "{refused:?}");
}

#[test]
fn pip_that_is_missing_says_what_installs_packages() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    const HINT: &str = "`beep-python venv install runtime-host PACKAGE...` installs packages";
    let code = "import subprocess, sys\nran = subprocess.run([sys.executable, '-m', 'pip', 'install', 'x'], stderr=-1)\n\
                print(ran.returncode, ran.stderr.decode())";
    let printed = home.success(&["eval", code]);
    assert!(
        printed.starts_with("1 ") && printed.contains("No module named pip: ") && printed.contains(HINT),
        "{printed}"
    );
    let raised = home.run(&["eval", "import pip"]);
    assert!(raised.stderr.contains("ModuleNotFoundError: No module named 'pip': ") && raised.stderr.contains(HINT));
    // One that is installed goes before.
    let code = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'ensurepip'], check=True, stdout=-1)\n\
                print(subprocess.run([sys.executable, '-m', 'pip', '--version'], stdout=-1).stdout[:4])";
    assert_eq!(home.success(&["eval", code]), "b'pip '\n");
    assert!(home.success(&["venv", "packages", "runtime-host"]).contains("pip"));
}

#[test]
fn module_that_is_missing_comes_with_a_hint() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let hint = |environment: &str| {
        format!(
            "ModuleNotFoundError: No module named 'nosuch'\nhint: `beep-python venv install {environment} nosuch` installs it, unless its package has another name\n"
        )
    };
    for code in ["import nosuch", "import nosuch.part", "from nosuch import part", "def f(): import nosuch\nf()"] {
        let output = home.run(&["eval", code]);
        assert!(output.code == Some(1) && output.stderr.ends_with(&hint("runtime-host")), "{code}: {output:?}");
    }
    let output = home.run(&["eval", "from System.IO import File"]);
    assert!(
        output.stderr.ends_with("hint: `beep-python venv install runtime-host pythonnet` installs it\n"),
        "{output:?}"
    );
    for code in
        ["import os.nosuch", "import _nosuch", "try: import nosuch\nexcept ImportError: 1/0", "raise ImportError('x')"]
    {
        let output = home.run(&["eval", code]);
        assert!(output.code == Some(1) && !output.stderr.contains("hint:"), "{code}: {output:?}");
    }
    // Of the environment in which the code runs.
    home.success(&["venv", "create", "mine"]);
    let id = home.success(&["session", "create", "--venv", "mine"]).trim().to_owned();
    assert!(home.run(&["eval", "--session", &id, "import nosuch"]).stderr.ends_with(&hint("mine")));
    assert!(home.run(&["eval", "--venv", "mine", "import nosuch"]).stderr.ends_with(&hint("mine")));
    assert!(!home.run(&["eval", "--json", "import nosuch"]).stdout.contains("hint"));
    let mut terminal = Terminal::run(home.command(&["python"]));
    terminal.command(">>> ", "import nosuch");
    terminal.wait_for("\nhint: `beep-python venv install runtime-host nosuch` installs it");
}

#[test]
fn prompt_begins_with_the_file_of_pythonstartup() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let file = home.directory().join("startup.py");
    fs::write(&file, b"\xef\xbb\xbfprint('begins', __name__)\ndef mine(): return 'of the file'\n").unwrap();
    let prompt = |arguments: &[&str]| {
        let mut command = home.command(&[&["python"], arguments].concat());
        command.env("PYTHONSTARTUP", &file);
        Terminal::run(command)
    };
    let mut terminal = prompt(&[]);
    terminal.wait_for("\nbegins __main__\n>>> ");
    terminal.command(">>> ", "mine()");
    terminal.wait_for("\n'of the file'\n>>> ");
    let mut shared = prompt(&["default"]);
    shared.command(">>> ", "'mine' in globals()");
    shared.wait_for("\nFalse\n>>> ");
    fs::write(&file, "kept = 1\n1/0\n").unwrap();
    let mut terminal = prompt(&["--venv", "runtime-host"]);
    terminal.wait_for("ZeroDivisionError: division by zero\n>>> ");
    terminal.command(">>> ", "kept");
    terminal.wait_for("\n1\n>>> ");
}
