//! Providers: `providers.toml`, the environments made from it, and their status.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::index::{Index, Wheel, bare, tools};
use super::test_home::{CommandOutput, TestHome};

/// Runs a command on a machine with this accelerator.
fn on(accelerator: &str, index: &Index, home: &TestHome, tool: &str, arguments: &[&str]) -> CommandOutput {
    let mut command = bare(home, tool, arguments);
    command.env("PIP_INDEX_URL", index.url()).env("BEEP_PYTHON_ACCELERATOR", accelerator);
    CommandOutput::from(command.output().unwrap())
}

fn parsed(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn declare(home: &TestHome, text: &str) {
    fs::create_dir_all(home.root()).unwrap();
    fs::write(home.root().join("providers.toml"), text).unwrap();
}

const TEXT: &str = "[provider.hf]\n\
    packages = [\"alpha\"]\n\
    optional = [\"beta\", \"nosuch\"]\n\
    environment = { HF_MODE = \"test\" }\n\
    cuda = [\"gamma\"]\n\
    [provider.other]\n\
    packages = [\"beta\"]\n\
    [engine.llama]\n\
    packages = [\"gamma\"]\n";

#[test]
fn ensure_installs_what_the_provider_needs_and_reports_what_is_missing() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta", "gamma"]);
        let home = TestHome::with_runtime();
        declare(&home, TEXT);
        let listed = parsed(&on("cuda", &index, &home, tool, &["provider", "list", "--json"]));
        let names: Vec<_> =
            listed.as_array().unwrap().iter().map(|p| (&p["name"], &p["environment"], &p["path"])).collect();
        let (hf, other, llama) = (json!("hf"), json!("other"), json!("llama"));
        let environments = [json!("hf-cuda"), json!("other-cuda"), json!("engine-llama")];
        let none = Value::Null;
        assert_eq!(
            names,
            [(&hf, &environments[0], &none), (&other, &environments[1], &none), (&llama, &environments[2], &none)]
        );
        let before = on("cuda", &index, &home, tool, &["provider", "packages", "hf"]);
        assert_eq!(before.code, Some(1), "{before:?}");
        assert!(before.stdout.starts_with("hf: hf-cuda, not created\n"), "{before:?}");

        let made = on("cuda", &index, &home, tool, &["provider", "ensure", "hf"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        assert!(made.stderr.contains("notice: the optional nosuch is missing: "), "{made:?}");
        let status = parsed(&on("cuda", &index, &home, tool, &["provider", "packages", "hf", "--json"]));
        assert_eq!((&status["ready"], &status["accelerator"]), (&json!(true), &json!("cuda")));
        let packages: Vec<_> = status["packages"].as_array().unwrap().iter().collect();
        let told =
            |package: &Value| format!("{} {} {}", package["requirement"], package["installed"], package["optional"]);
        let told: Vec<String> = packages.iter().map(|package| told(package)).collect();
        assert_eq!(
            told,
            ["\"alpha\" \"1.0\" false", "\"gamma\" \"1.0\" false", "\"beta\" \"1.0\" true", "\"nosuch\" null true"]
        );
        assert!(packages[3]["reason"].as_str().unwrap().contains("nosuch"), "{packages:?}");

        // Ready: the index is not asked again, although an optional package is missing.
        drop(index);
        let index = Index::serve();
        let again = on("cuda", &index, &home, tool, &["provider", "ensure", "hf"]);
        assert_eq!(again.code, Some(0), "{again:?}");
        let engine = on("cuda", &index, &home, tool, &["provider", "ensure", "llama", "--engine"]);
        assert_eq!(engine.code, Some(1), "{engine:?}");
        assert!(engine.stderr.contains("gamma"), "{engine:?}");
    }
}

#[test]
fn providers_share_an_environment_when_rocm_is_configured_so() {
    let index = Index::of(&["alpha", "beta", "gamma"]);
    let home = TestHome::with_runtime();
    let ensured = |strategy: &str, provider: &[&str]| {
        declare(&home, &format!("rocm-environments = \"{strategy}\"\n{TEXT}"));
        let output = on("rocm", &index, &home, "pip", &[&["provider", "ensure"], provider, &["--json"]].concat());
        assert_eq!(output.code, Some(0), "{output:?}");
        parsed(&output)["environment"].as_str().unwrap().to_owned()
    };
    assert_eq!(ensured("single", &["hf"]), "rocm");
    assert_eq!(ensured("single", &["other"]), "rocm");
    assert_eq!(ensured("single", &["hf"]), "rocm");
    assert_eq!(ensured("family", &["hf"]), "hf-rocm");
    assert_eq!(ensured("model", &["hf", "Some/Model 7B"]), "hf-rocm-some-model-7b");
    assert_eq!(ensured("model", &["hf-cpu"]), "hf-cpu");
    let listed = home.json(&["venv", "packages", "rocm"]);
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alpha", "beta"]);
}

#[test]
fn environment_with_the_bare_name_belongs_to_the_provider() {
    let index = Index::of(&["alpha", "beta"]);
    let home = TestHome::with_runtime();
    declare(&home, TEXT);
    home.success(&["venv", "create", "other"]);
    let output = parsed(&on("cpu", &index, &home, "pip", &["provider", "ensure", "other", "--json"]));
    assert_eq!((&output["environment"], &output["ready"]), (&json!("other"), &json!(true)));
}

#[test]
fn undeclared_name_is_an_error_that_tells_the_nearest() {
    let index = Index::of(&["alpha"]);
    let home = TestHome::with_runtime();
    declare(&home, TEXT);
    for (arguments, said) in [
        (&["provider", "ensure", "hff"][..], "providers.toml has no provider \"hff\"; \"hf\" is probably meant"),
        (&["provider", "ensure", "hff-cpu"], "providers.toml has no provider \"hff-cpu\"; \"hf\" is probably meant"),
        (&["provider", "packages", "huggingface"], "providers.toml has no provider \"huggingface\""),
        (&["provider", "ensure", "hf", "--engine"], "providers.toml has no engine \"hf\""),
    ] {
        let refused = on("cpu", &index, &home, "pip", arguments);
        assert_eq!(refused.code, Some(1), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.starts_with(&format!("error: {said}\n")), "{arguments:?}: {refused:?}");
    }
    assert_eq!(home.json(&["venv", "list"]), json!([]));
    let made = parsed(&on("cpu", &index, &home, "pip", &["provider", "ensure", "hff", "--create", "--json"]));
    assert_eq!((&made["environment"], &made["ready"]), (&json!("hff-cpu"), &json!(true)));
}

#[test]
fn path_without_a_name_is_installed() {
    for tool in tools() {
        let index = Index::serve();
        let home = TestHome::with_runtime();
        let wheel = Wheel { name: "alpha", version: "1.0", ..Wheel::default() };
        let path = super::index::make(&home.directory().join("wheels"), wheel);
        declare(&home, &format!("[provider.hf]\npackages = [\"{}\"]\n", path.display()));
        let made = on("cpu", &index, &home, tool, &["provider", "ensure", "hf", "--json"]);
        assert_eq!((made.code, &*made.stderr), (Some(0), ""), "{tool}: {made:?}");
        assert_eq!(parsed(&made)["ready"], true, "{tool}");
        let again = parsed(&on("cpu", &index, &home, tool, &["provider", "ensure", "hf", "--json"]));
        assert_eq!(again["packages"][0]["satisfied"], true, "{tool}: {again}");
        let shown = on("cpu", &index, &home, tool, &["provider", "packages", "hf"]);
        assert!(shown.code == Some(0) && shown.stdout.contains("installed"), "{tool}: {shown:?}");
    }
}

#[test]
fn mistakes_in_providers_toml_are_reported_with_file_and_line() {
    let home = TestHome::with_runtime();
    declare(&home, "[provider.hf]\npackages = [\"six\"]\npyhton = \"3.12\"\n");
    let output = home.run(&["provider", "list"]);
    let file = home.root().join("providers.toml");
    assert_eq!(output.code, Some(1));
    let expected = format!(
        "error: {}:3: [provider.hf] takes no \"pyhton\": expected packages, optional, python, ",
        file.display()
    );
    assert!(output.stderr.starts_with(&expected) && output.stderr.contains("python is probably meant"), "{output:?}");
    // A named file takes precedence, and must exist.
    declare(&home, TEXT);
    let more = home.directory().join("more.toml");
    let named = ["provider", "packages", "hf", "--json", "--providers", more.to_str().unwrap()];
    let output = home.run(&named);
    assert!(output.stderr.contains("\"error\":\"cannot read ") && output.stderr.contains("more.toml"), "{output:?}");
    fs::write(&more, "[provider.hf]\npackages = [\"zeta>=2\"]\n").unwrap();
    let output = parsed(&home.run(&named));
    assert_eq!(output["packages"].as_array().unwrap().len(), 1, "{output}");
    assert_eq!(output["packages"][0]["requirement"], "zeta>=2");
}

#[test]
fn provider_variables_reach_builds_and_sessions() {
    let home = TestHome::with_runtime();
    let source = home.directory().join("built");
    fs::create_dir(&source).unwrap();
    // A package whose build records its environment variables.
    let backend = "import os, zipfile\n\
        def build_wheel(folder, *rest):\n    \
            name = 'built-1.0-py3-none-any.whl'\n    \
            with zipfile.ZipFile(os.path.join(folder, name), 'w') as wheel:\n        \
                wheel.writestr('built.py', 'told = %r' % os.environ.get('HF_MODE'))\n        \
                wheel.writestr('built-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n')\n        \
                wheel.writestr('built-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n        \
                wheel.writestr('built-1.0.dist-info/RECORD', '')\n    \
            return name\n";
    fs::write(source.join("backend.py"), backend).unwrap();
    let project = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    fs::write(source.join("pyproject.toml"), format!("{project}[project]\nname = \"built\"\nversion = \"1.0\"\n"))
        .unwrap();
    let text = format!(
        "[provider.hf]\npackages = [\"built @ file://{}\"]\nenvironment = {{ HF_MODE = \"gentle\" }}\n",
        source.display()
    );
    declare(&home, &text);
    let index = Index::serve();
    for tool in tools() {
        let made = on("cpu", &index, &home, tool, &["provider", "ensure", "hf"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let python = home.root().join("environments/hf-cpu/bin/python");
        let told = Command::new(python).args(["-I", "-c", "import built; print(built.told)"]).output().unwrap();
        assert_eq!(String::from_utf8(told.stdout).unwrap().trim(), "gentle", "{tool}");
        let output = home.success(&["eval", "--venv", "hf-cpu", "__import__('os').environ['HF_MODE']"]);
        assert!(output.contains("gentle"), "{output}");
        home.success(&["venv", "delete", "hf-cpu", "--yes"]);
    }
}

#[test]
fn accelerator_is_shown_with_its_reason() {
    let home = TestHome::new();
    let mut command = home.command(&["provider", "accelerator"]);
    let output = CommandOutput::from(command.env("BEEP_PYTHON_ACCELERATOR", "vulkan").output().unwrap());
    assert_eq!(output.stdout, "vulkan: BEEP_PYTHON_ACCELERATOR says so\n");
    let mut command = home.command(&["provider", "accelerator", "--json"]);
    let found = parsed(&CommandOutput::from(command.env_remove("BEEP_PYTHON_ACCELERATOR").output().unwrap()));
    assert!(["cuda", "rocm", "vulkan", "cpu"].contains(&found["accelerator"].as_str().unwrap()), "{found}");
    assert!(home.root().join("cache/accelerator.json").exists(), "and kept");
}

#[test]
fn name_of_a_provider_finds_its_environment() {
    let home = TestHome::with_runtime();
    declare(&home, "[provider.my-provider]\npackages = []\n[provider.unmade]\npackages = []\n");
    let on_cpu = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        CommandOutput::from(command.env("BEEP_PYTHON_ACCELERATOR", "cpu").output().unwrap())
    };
    assert_eq!(on_cpu(&["provider", "ensure", "my-provider"]).code, Some(0));
    let path = home.root().join("environments/my-provider-cpu");
    let prefix = "import sys; sys.prefix";
    let evaluated = on_cpu(&["eval", "--venv", "my-provider", prefix]);
    assert_eq!(evaluated.stdout.trim(), path.to_str().unwrap(), "{evaluated:?}");
    for command in [&["venv", "status", "my-provider"][..], &["venv", "packages", "my-provider"]] {
        assert_eq!(on_cpu(command).code, Some(0), "{command:?}");
    }
    let started = home.start(&["--venv", "my-provider"]);
    assert_eq!(started["environment"], "my-provider-cpu", "{started}");
    let session = home.success(&["session", "create", "--venv", "my-provider"]);
    let evaluated = home.success(&["eval", "--session", session.trim(), prefix]);
    assert_eq!(evaluated.trim(), path.to_str().unwrap());

    let unmade = on_cpu(&["venv", "status", "unmade"]);
    assert!(unmade.stderr.contains("hint: `beep-python provider ensure unmade` creates"), "{unmade:?}");

    // An environment of that very name comes first; where several are the provider's, they are named.
    let mut made = home.command(&["venv", "create", "my-provider", "Model"]);
    let made = CommandOutput::from(made.env("BEEP_PYTHON_ACCELERATOR", "rocm").output().unwrap());
    assert!(made.stdout.contains("of the provider \"my-provider\" with the model \"Model\""), "{made:?}");
    let several = on_cpu(&["venv", "status", "my-provider"]);
    assert!(several.stderr.contains("several environments: my-provider-cpu, my-provider-rocm-model\n"), "{several:?}");
    home.success(&["venv", "create", "my-provider"]);
    let own = home.json(&["venv", "status", "my-provider"]);
    assert_eq!(own["name"], "my-provider", "{own}");
    home.success(&["venv", "delete", "my-provider", "--yes"]);
    assert!(path.is_dir(), "the other stays");
}

#[test]
fn commands_say_what_an_environment_lacks_of_what_its_provider_needs() {
    let home = TestHome::with_runtime();
    declare(&home, "[provider.hf]\npackages = []\n");
    home.success(&["provider", "ensure", "hf"]);
    assert_eq!(home.json(&["config"])["ok"], true);
    declare(&home, "[provider.hf]\npackages = [\"alpha>=2\"]\n");
    let checked = home.run(&["config"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("it lacks alpha>=2, which the provider hf needs"), "{checked:?}");
    assert!(checked.stdout.contains("to fix it: beep-python provider ensure hf\n"), "{checked:?}");
    let listed = &home.json(&["venv", "list"])[0];
    let name = listed["name"].as_str().unwrap().to_owned();
    assert_eq!((&listed["state"], &listed["usable"]), (&json!("incomplete"), &json!(true)), "{listed}");
    let status = home.run(&["venv", "status", &name]);
    assert_eq!(status.code, Some(1), "{status:?}");
    for line in [
        "state:     incomplete\n",
        "reason:    it lacks alpha>=2, which the provider hf needs\n",
        "to fix it: beep-python provider ensure hf\n",
    ] {
        assert!(status.stdout.contains(line), "{status:?}");
    }
    let repaired = home.run(&["venv", "repair", &name]);
    let notice = format!("notice: {name} runs, but it lacks alpha>=2, which the provider hf needs\n");
    assert!(repaired.code == Some(1) && repaired.stderr.contains(&notice), "{repaired:?}");
    assert!(repaired.stderr.contains("to fix it: beep-python provider ensure hf\n"), "{repaired:?}");
    declare(&home, "[provider");
    assert!(home.run(&["config"]).stdout.contains("to fix it: correct providers.toml"), "{checked:?}");
}
