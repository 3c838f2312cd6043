//! What limits cost a session that has nothing to do.

use std::time::Duration;

use serde_json::Value;

use super::test_home::{TestHome, wait_until};

/// How many reads a server makes in a second: each sample reads all of /proc.
fn reads_in_a_second(server: &Value) -> u64 {
    let reads = || -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", server["pid"])).unwrap();
        io.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap().parse().unwrap()
    };
    let before = reads();
    std::thread::sleep(Duration::from_secs(1)); // the unit of the figure
    reads() - before
}

#[test]
fn session_that_only_waits_is_rarely_measured_and_yet_held_to_its_limits() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let session = home.success(&["session", "create", "--max-memory", "200M"]).trim().to_owned();
    let eval = |code: &str| home.run(&["eval", "--session", &session, code]);
    let at_work = std::thread::scope(|scope| {
        let call = scope.spawn(|| eval("import time; time.sleep(2)"));
        let reads = reads_in_a_second(&server);
        assert_eq!(call.join().unwrap().code, Some(0));
        reads
    });
    wait_until("the session is measured rarely", || reads_in_a_second(&server) < at_work / 4);
    let took = eval("x = bytearray(b'x') * (400 << 20)\nimport time\ntime.sleep(60)");
    assert!(took.stderr.contains("memory"), "{took:?}");
    assert_ne!(took.code, Some(0), "{took:?}");
    assert_eq!(eval("6 * 7").stdout, "42\n");
    // Threads go on while no call runs: what they take counts.
    wait_until("the session is measured rarely", || reads_in_a_second(&server) < at_work / 4);
    let epoch = || home.json(&["session", "show", &session])["sessionEpoch"].as_u64();
    let before = epoch();
    eval(
        "import threading, time\ndef run():\n    global y\n    time.sleep(1)\n    y = bytearray(b'x') * (400 << 20)\n\
         threading.Thread(target=run, daemon=True).start()",
    );
    wait_until("the session has lost its state", || epoch() > before);
    home.success(&["stop"]);
}
