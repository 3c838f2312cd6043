//! Code that writes to its worker's link to the host: it is understood, or its worker ends with the reason.

use super::test_home::{TestHome, body_of, post};

/// Finds the worker, and sends a frame of this kind, flags, id and body.
const SEND: &str = "import os, struct, sys\nframe = sys._getframe()\nwhile 'request_id' not in frame.f_locals: frame = frame.f_back\n\
    worker, call = frame.f_locals['self'], frame.f_locals['request_id']\n\
    def send(kind, flags, id, body=b'', to=worker.sink): os.write(to, struct.pack('<IBBHQ', len(body), kind, flags, 1, id) + body)\n";

#[test]
fn an_answer_that_is_not_json_is_passed_on_to_nobody() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    for (kind, body) in [
        (64, "b'{broken'"),
        (66, "b'1}, {'"),
        (65, "b'\\xff'"),
        (69, "b''"),
        (64, "b'[' + b'1,' * 300000"),
        // JSON, but not what a response can be made of.
        (66, "b'[1]'"),
        (66, "b'{\"a\":1} '"),
        (69, "b'{ }'"),
        (80, "b'{ }'"),
    ] {
        let code = format!("{SEND}send({kind}, 0, call, {body})\nimport time; time.sleep(60)");
        let answer = post(&server, "/api/eval", &serde_json::json!({ "expression": code }));
        let told: serde_json::Value = serde_json::from_str(body_of(&answer)).expect("JSON");
        assert_eq!(told["code"], "worker_died", "{told}");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains("broke the rules of its link"), "{detail}");
        assert!(told["death"]["stderrTail"].as_str().unwrap().contains("not JSON"), "{told}");
        assert_eq!(told["death"]["cause"], "host", "{told}");
        let genuine = post(&server, "/api/eval", &serde_json::json!({ "expression": "'genuine'" }));
        assert!(genuine.contains(r#""value":"genuine""#), "{genuine}");
    }
}

#[test]
fn a_worker_that_breaks_the_rules_of_its_calls_to_the_host_is_ended_with_the_reason() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    for (send, why) in
        [("send(64, 0, 1, b'1', worker.link.sink)", "no place"), ("os.write(worker.link.sink, b'x' * 64)", "frame")]
    {
        let code = format!("{SEND}{send}\nimport time; time.sleep(60)");
        let answer = post(&server, "/api/eval", &serde_json::json!({ "expression": code }));
        let told: serde_json::Value = serde_json::from_str(body_of(&answer)).expect("JSON");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("broke the rules of its link")), "{told}");
        assert!(told["death"]["stderrTail"].as_str().is_some_and(|tail| tail.contains(why)), "{told}");
    }
}

#[test]
fn parts_of_messages_that_never_end_take_no_more_than_they_may() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    // Each frame says that more is to come, for an answer of its own, and has nothing.
    let code = format!(
        "{SEND}frames = b''.join(struct.pack('<IBBHQ', 0, 64, 1, 1, 1000 + n) for n in range(4096))\n\
         for _ in range(8192): os.write(worker.sink, frames)"
    );
    let answer = post(&server, "/api/eval", &serde_json::json!({ "expression": code }));
    assert!(body_of(&answer).contains("worker_died"), "{answer}");
    let peak = std::fs::read_to_string(format!("/proc/{}/status", server["pid"])).unwrap();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    assert!(peak.parse::<u64>().unwrap() < 300 << 10, "{peak} kB");
}
