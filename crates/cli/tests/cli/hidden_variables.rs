//! Secret variables of a server.

use std::fs;

use super::test_home::TestHome;

const TOKEN: &str = "secret-1-which-is-long-enough";

#[test]
fn tokens_and_what_is_named_are_passed_on_to_nobody() {
    let home = TestHome::with_runtime();
    let mut start = home.command(&["start", "http", "--port", "0", "--hide-env", "CLOUD_KEY", "--json"]);
    start.env("BEEP_PYTHON_TOKEN", TOKEN).env("BEEP_PYTHON_TOKEN_FILE", "/secret-2");
    start.env("CLOUD_KEY", "secret-3").env("CLOUD_KEY_ID", "public").env("EMPTY", "");
    let started = start.output().unwrap();
    let server: serde_json::Value = serde_json::from_slice(&started.stdout).unwrap();
    let code = "import os, subprocess\nchild = subprocess.run(['env'], stdout=-1, text=True).stdout\n\
                zygote = open(f'/proc/{os.getppid()}/environ').read()\n\
                print('secret' in str(dict(os.environ)) + child + zygote, os.environ['CLOUD_KEY_ID'], os.environ['EMPTY'] == '')";
    assert_eq!(home.success(&["eval", code]), "False public True\n");
    let block = fs::read(format!("/proc/{}/environ", server["pid"])).unwrap();
    let block = String::from_utf8_lossy(&block);
    assert!(!block.contains("secret") && block.contains("CLOUD_KEY_ID=public\0"), "{block}");
    let restarted = home.command(&["restart"]).env("BEEP_PYTHON_TOKEN", TOKEN).output().unwrap();
    assert!(restarted.status.success(), "{}", String::from_utf8_lossy(&restarted.stderr));
    assert_eq!(home.success(&["eval", code]), "False public True\n", "a restart keeps the others");
}
