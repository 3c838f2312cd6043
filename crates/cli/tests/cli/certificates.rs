//! A mirror and an index with certificates of an authority that only the settings name.

use std::fs;
use std::path::Path;

use super::index::{Wheel, bare, make, tools};
use super::test_home::{CommandOutput, TestHome};
use crate::support::archive::packed;
use crate::support::tls::{TlsSite, authority};

/// The command failed, and its error and hint mention the certificate.
fn assert_untrusted(output: &CommandOutput, what: &str) {
    assert_eq!(output.code, Some(1), "{what}: {output:?}");
    assert!(output.stderr.contains("error: ") && output.stderr.contains("certificate"), "{what}: {output:?}");
    assert!(output.stderr.contains("hint: set SSL_CERT_FILE to a file"), "{what}: {output:?}");
}

#[test]
fn mirror_is_trusted_through_ssl_cert_file() {
    let home = TestHome::new();
    let folder = home.directory().join("mirror");
    fs::create_dir(&folder).unwrap();
    packed().write(&folder);
    let site = TlsSite::serve(&folder);
    let catalogue = packed().catalogue(home.directory(), "http://127.0.0.1:9");
    let install = |certificates: Option<&Path>| {
        let mut command = bare(&home, "pip", &["runtime", "install", &packed().version.series(), "--mirror"]);
        command
            .arg(site.url())
            .env("BEEP_PYTHON_CATALOGUE", &catalogue)
            .envs(certificates.map(|c| ("SSL_CERT_FILE", c)));
        CommandOutput::from(command.output().unwrap())
    };
    let stranger = install(None);
    assert_untrusted(&stranger, "the mirror");
    assert!(!stranger.stderr.contains("trying again"), "it would be no other: {stranger:?}");
    let known = install(Some(&authority()));
    assert_eq!(known.code, Some(0), "{known:?}");
}

#[test]
fn index_is_trusted_through_the_settings_of_either_tool() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("simple/alpha");
    let wheel = make(&page, Wheel { name: "alpha", version: "1.0", ..Wheel::default() });
    let file = wheel.file_name().unwrap().to_str().unwrap();
    fs::write(
        page.join("index.html"),
        format!("<!DOCTYPE html><html><body><a href=\"{file}\">{file}</a></body></html>"),
    )
    .unwrap();
    let site = TlsSite::serve(folder.path());
    for tool in tools() {
        let home = TestHome::with_runtime();
        home.success(&["venv", "create", "mine"]);
        let install = |setting: Option<&str>| {
            let mut command = bare(&home, tool, &["venv", "install", "mine", "alpha"]);
            command.env("PIP_INDEX_URL", format!("{}/simple", site.url()));
            CommandOutput::from(command.envs(setting.map(|name| (name, authority()))).output().unwrap())
        };
        assert_untrusted(&install(None), tool);
        // A setting of one tool applies to both.
        for setting in ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"] {
            let known = install(Some(setting));
            assert_eq!(known.code, Some(0), "{tool} {setting}: {known:?}");
            assert_eq!(known.stdout, "Installed into mine: alpha 1.0\n", "{tool} {setting}");
            home.success(&["venv", "uninstall", "mine", "alpha"]);
        }
    }
}
