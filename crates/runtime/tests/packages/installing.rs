//! Installing packages with uv and with pip.

use std::fs;
use std::path::Path;

use beep_python_runtime::environment::Requirements;

use crate::support::wheels::wheel;
use crate::support::{names, output};
use crate::{TestHome, imported, look, said, tools};

#[test]
fn packages_install_with_dependencies_once() {
    for tool in tools() {
        let test = TestHome::new();
        wheel(&test.index(), "alpha", "1.0", &["beta_x>=2", "gamma; extra == 'more'", "delta; python_version < '3'"]);
        wheel(&test.index(), "beta_x", "2.5", &["alpha"]);
        wheel(&test.index(), "gamma", "3.0", &[]);
        assert_eq!(test.run("install mine alpha", tool), format!("alpha==1.0|alpha==1.0 beta_x==2.5|{tool}"), "{tool}");
        assert_eq!(test.run("install mine Alpha>=1 beta.x", tool), "alpha==1.0 beta_x==2.5||none");
        assert_eq!(test.run("install mine alpha[more]", tool), format!("alpha==1.0|gamma==3.0|{tool}"));
        let (manager, environment) = look(&test, "mine");
        assert_eq!(imported(&environment, "beta_x"), "2.5");
        for (text, expected) in [("alpha==1.*", true), ("alpha[more]", true), ("alpha>1", false), ("nosuch", false)] {
            assert_eq!(manager.satisfied(&environment, &Requirements::new([text]).unwrap()), expected, "{text}");
        }
        // What a package requires is part of it.
        fs::remove_dir_all(environment.site_packages.join("beta_x-2.5.dist-info")).unwrap();
        assert!(!manager.satisfied(&environment, &Requirements::new(["alpha"]).unwrap()));
        assert_eq!(names(&test.environments()), ["mine"]);
    }
}

#[test]
fn temporary_files_of_pip_stay_in_the_environment() {
    let test = TestHome::new();
    assert!(test.run("admin", "pip").contains("pip"));
    assert_eq!(names(&test.temporary()), [""; 0]);
}

#[test]
fn failed_installation_gives_the_reason_and_changes_nothing() {
    for tool in tools() {
        let test = TestHome::new();
        wheel(&test.index(), "alpha", "1.0", &[]);
        wheel(&test.index(), "needy", "1.0", &["nosuch>3"]);
        test.run("install mine alpha", tool);
        let (manager, environment) = look(&test, "mine");
        let before = names(&environment.path);
        for (asked, package) in [("alpha nosuch", "nosuch"), ("alpha>=2", "alpha"), ("needy", "needy")] {
            let said = test.run(&format!("install mine {asked}"), tool);
            // pip names only what it looks for; uv tells the whole chain.
            let named = said.starts_with(&format!("refused {package}: ")) || (package == "needy" && tool == "pip");
            assert!(named, "{tool} {asked}: {said}");
            assert!(said.contains("nosuch") || said.contains("alpha"), "{said}");
            let packages: Vec<String> = manager.packages(&environment).into_iter().map(|p| p.name).collect();
            assert_eq!((packages, names(&environment.path)), (vec!["alpha".to_owned()], before.clone()));
        }
    }
}

#[test]
fn package_installs_from_a_path() {
    for tool in tools() {
        let test = TestHome::new();
        let elsewhere = test.folder.path().join("elsewhere");
        wheel(&elsewhere, "alpha", "1.0", &[]);
        let path = elsewhere.join("alpha-1.0-py3-none-any.whl");
        let said = test.run(&format!("install mine {}", path.display()), tool);
        assert_eq!(said, format!("alpha==1.0|alpha==1.0|{tool}"));
        // Though it is in no index, it is no obstacle to what follows an interruption.
        let (_, environment) = look(&test, "mine");
        fs::write(environment.path.join("beep-python.installing.json"), "{\"packages\": []}").unwrap();
        wheel(&test.index(), "beta", "1.0", &[]);
        assert_eq!(test.run("install mine beta", tool), format!("beta==1.0|beta==1.0|{tool}"));
        assert_eq!(imported(&environment, "alpha"), "1.0");
    }
}

#[test]
fn configured_uv_that_does_not_run_is_an_error() {
    let test = TestHome::new();
    let mut command = test.command("install mine alpha", "pip");
    let said = said(&output(command.env("BEEP_PYTHON_UV", "/nonexistent/uv")));
    assert!(said.starts_with("the uv at /nonexistent/uv cannot be used: cannot run"), "{said}");
}

#[test]
fn pip_installs_when_uv_is_not_available() {
    let test = TestHome::new();
    wheel(&test.index(), "alpha", "1.0", &[]);
    // A file of the right name is not enough: its hash is another.
    let pinned: serde_json::Value = serde_json::from_str(include_str!("../../data/uv.json")).unwrap();
    wheel(&test.index(), "uv", pinned["version"].as_str().unwrap(), &[]);
    let mut command = test.command("install mine alpha", "pip");
    let said = said(&output(command.env_remove("BEEP_PYTHON_UV").env("PATH", "/usr/bin:/bin")));
    assert!(said == "alpha==1.0|alpha==1.0|pip" || Path::new("/usr/bin/uv").exists(), "{said}");
    let tools = test.home().join("tools");
    let left = names(&tools);
    assert!(left.len() == 1 && left[0].ends_with(".failed"), "{left:?}");
    let reason = fs::read_to_string(tools.join(&left[0])).unwrap();
    assert!(reason.to_lowercase().contains("hash"), "{reason}");
}
