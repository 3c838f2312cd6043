//! The predecessor's classes for servers, from code in a session.

use super::test_home::TestHome;

const HOSTS: &str = r#"
import beep_python
from Beep.Python.RuntimeEngine.Infrastructure import IPythonHostBackend
from Beep.Python.RuntimeHost.Services import PythonBackendFactory, PythonHostHttp

outer = 1
def use(host):
    with host:
        assert isinstance(host, IPythonHostBackend) and host.InitializeAsync().Result
        counter = host.CreateObjectAsync("collections", "Counter", ["aab"]).Result
        shown = [host.EvaluateAsync[int]("x * 2", {"x": 21}).Result, host.CallMethodAsync(counter, "most_common", [1]).Result]
        shown += [host.EvaluateAsync("'outer' in globals()").Result, host.ToFloatArrayAsync(counter.__class__ and host.CreateObjectHandleFromResultAsync([1, 2.5]).Result).Result]
        try:
            host.EvaluateAsync("1 / 0").Result
        except beep_python.HostError as error:
            shown.append(error.code)
        return shown
"#;

/// `urls` are those of HTTP, the pipe and RPC.
fn program(urls: &[String], pipe: &str) -> String {
    format!(
        "{HOSTS}[use(host) for host in (PythonBackendFactory.CreateHttpBackend({:?}, None), \
         PythonBackendFactory.CreatePipeBackend({:?}, None), PythonBackendFactory.CreatePipeBackend({:?}), \
         PythonBackendFactory.CreateRpcBackend({:?}, None))]",
        urls[0], pipe, urls[1], urls[2]
    )
}

#[test]
fn clients_of_a_server_work_in_a_session_also_of_that_server() {
    let home = TestHome::with_runtime();
    let name = format!("predecessor-{}", std::process::id());
    let options = ["start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0", "--pipe-name", &name];
    let server = home.json(&options);
    let urls: Vec<_> = (0..3).map(|at| server["endpoints"][at]["url"].as_str().unwrap().to_owned()).collect();
    let code = program(&urls, &format!(r"\\.\pipe\{name}"));
    let expected = serde_json::json!([42, [["a", 2]], false, [1.0, 2.5], "python_exception"]);
    for session in [&["--session", "default"][..], &[]] {
        let shown = home.json(&[&["eval", &code], session].concat());
        assert_eq!(shown["value"], serde_json::json!([expected, expected, expected, expected]), "{shown}");
    }
    assert_eq!(home.json(&["session", "list"]).as_array().map(Vec::len), Some(1), "none is left");
}

#[test]
fn clients_speak_tls_where_the_address_says_so() {
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "http", "rpc", "--port", "0", "--rpc-port", "0", "--tls-self-signed"]);
    let authority = home.root().join("tls/certificate.pem");
    for (backend, kind) in ["Http", "Rpc"].into_iter().enumerate() {
        let address = server["endpoints"][backend]["url"].as_str().unwrap();
        let code = format!(
            "import os\nfrom Beep.Python.RuntimeHost.Services import PythonHost{kind}\n\
             shown = [PythonHost{kind}({address:?}).InitializeAsync().Result]\n\
             os.environ['BEEP_PYTHON_CA_FILE'] = {authority:?}\n\
             with PythonHost{kind}({address:?}) as host:\n    shown.append(host.EvaluateAsync('6 * 7').Result)\nshown"
        );
        assert_eq!(home.success(&["eval", &code]), "[False, 42]\n", "{address}");
    }
}

#[test]
fn launcher_starts_and_stops_a_server() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    for backend in ["Http", "Pipe", "Rpc"] {
        let code = format!(
            "import sys\nfrom Beep.Python.RuntimeEngine.Infrastructure import *\n\
             from Beep.Python.RuntimeEngine import PythonBackendType\n\
             import Beep.Python.RuntimeEngine.Infrastructure as beep\n\
             launcher = beep.PythonServerLauncher(sys.prefix, PythonBackendType.{backend}, None)\n\
             with launcher:\n    started = launcher.StartAsync().Result and launcher.IsRunning\n    \
             with beep.PythonHost{backend}(launcher.GetEndpoint(), None) as host:\n        \
             shown = host.EvaluateAsync('__import__(\"sys\").prefix').Result == launcher.VenvPath\n\
             [started, shown, launcher.IsRunning]"
        );
        let shown = home.json(&["eval", &code]);
        assert_eq!(shown["value"], serde_json::json!([true, true, false]), "{backend}: {shown}");
    }
    let wrong = "from Beep.Python.RuntimeHost.Services import *\nimport Beep.Python.RuntimeHost.Services as beep\n\
                 beep.PythonServerLauncher('/nowhere', beep.PythonBackendType.Http).StartAsync().Result";
    let shown = home.run(&["eval", wrong]);
    assert!(shown.stderr.contains("`beep-python start http --port 0 --venv /nowhere` failed: "), "{shown:?}");
}
