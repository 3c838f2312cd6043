//! What user code and bad luck can do to a worker harms one session at most, for a moment, and leaves nothing behind.

#[path = "support/sessions.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

use beep_python_protocol::{ErrorCode, Operation};
use beep_python_runtime::session::{CallResult, Session};
use serde_json::{Value, json};
use support::{Told, eval, gone, kill, on_every_python, on_one_python, send};

/// Code that is unkind to the process that it runs in, and whether the session must outlive it.
const UNKIND: &[(&str, bool)] = &[
    ("import os\nos.closerange(3, 1 << 16)", false),
    ("import os\nif os.fork() == 0: os._exit(0)", true),
    ("import os\nif os.fork() == 0: os.execv('/bin/true', ['true'])", true),
    ("import os\nos.execv('/bin/true', ['true'])", false),
    ("import signal\nfor n in (1, 2, 10, 12, 13, 14, 15): signal.signal(n, lambda *_: 1 / 0)", true),
    (
        "import threading\nthreading.Thread(target=lambda: [print('noise') for _ in iter(int, 1)], daemon=True).start()",
        true,
    ),
    ("import os, locale\nos.chdir('/')\nlocale.setlocale(locale.LC_ALL, 'C')", true),
    ("import sys\nsys.modules.clear()", true),
    ("import json\njson.dumps = json.loads = json.JSONEncoder = json.scanner = None", true),
    ("import builtins\nprint = builtins.print = None", true),
    ("import builtins\nbuiltins.len = builtins.type = None", false),
    ("import sys\nsys.stdout = sys.stderr = None", true),
    ("import os\nos.write = os.read = os.close = None", true),
    ("import gc, sys\nsys.setrecursionlimit(60)\ngc.disable()", true),
    ("import ctypes\nctypes.string_at(0)", false),
    ("import os\nos.abort()", false),
    ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", false),
];

#[test]
fn unkind_code_harms_its_own_session_only() {
    on_every_python(async |sessions| {
        let neighbour = sessions.default_session();
        eval(neighbour, "kept = 1").await.value();
        for &(code, must_live) in UNKIND {
            let session = sessions.create(Default::default()).await.expect("a session");
            let first = session.info().pid.expect("a worker");
            eval(&session, code).await;
            // Whatever became of it, the session answers: with its worker, or with another that it was given.
            let mut told = eval(&session, "1 + 1").await;
            if !must_live && matches!(told.reply.result, CallResult::Problem(_)) {
                told = eval(&session, "1 + 1").await;
            }
            assert_eq!(told.value(), &json!(2), "after {code}");
            assert!(!must_live || session.info().epoch == 1, "the worker died of {code}");
            let last = session.info().pid;
            sessions.delete(session.id()).await.expect("ended");
            for pid in [Some(first), last].into_iter().flatten() {
                gone(pid as u32).await;
            }
            assert_eq!(eval(neighbour, "kept").await.value(), &json!(1), "after {code}");
        }
        assert_eq!(neighbour.info().epoch, 1);
    });
}

async fn started(mark: &std::path::Path) {
    while !mark.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    std::fs::remove_file(mark).expect("removed");
}

/// Every kind of call, made to hang so that it can be met in the middle: by an object that takes its time in all of them.
async fn slow_calls(session: &Session, mark: &std::path::Path) -> Vec<(Operation, Value)> {
    let code = format!(
        "import sys, time, types\n\
         def hang(*_):\n    open({:?}, 'w').close()\n    time.sleep(60)\n\
         class Slow:\n    call = hang\n    attribute = property(hang, hang)\n    __len__ = __getitem__ = __iter__ = __float__ = hang\n\
         slow = types.ModuleType('slow')\nslow.make = hang\n\
         class Finder:\n    def find_spec(self, name, *_): return hang() if name == 'slow_to_find' else None\n\
         sys.meta_path.insert(0, Finder())\nsys.modules['slow'] = slow\nSlow()",
        mark.to_str().expect("UTF-8")
    );
    let hid = eval(session, &code).await.object()["handleId"].clone();
    let module = send(session, Operation::Import, json!({ "moduleName": "slow" })).await.object()["handleId"].clone();
    vec![
        (Operation::Evaluate, json!({ "expression": "hang()" })),
        (Operation::Import, json!({ "moduleName": "slow_to_find" })),
        (Operation::Create, json!({ "moduleHandleId": module, "className": "make" })),
        (Operation::Call, json!({ "handleId": hid, "methodName": "call" })),
        (Operation::GetAttribute, json!({ "handleId": hid, "attributeName": "attribute" })),
        (Operation::SetAttribute, json!({ "handleId": hid, "attributeName": "attribute", "value": 1 })),
        (Operation::ToFloatArray, json!({ "handleId": hid })),
        (Operation::ToFloatArray2D, json!({ "handleId": hid })),
        (Operation::ModuleAvailable, json!({ "moduleName": "slow_to_find" })),
    ]
}

#[test]
fn a_worker_that_is_killed_in_the_middle_of_any_call_is_told_and_replaced() {
    on_one_python(async |sessions| {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("mark");
        let session = sessions.create(Default::default()).await.expect("a session");
        for n in 0..slow_calls(&session, &mark).await.len() {
            let (operation, body) = slow_calls(&session, &mark).await.swap_remove(n);
            let calling = {
                let session = session.clone();
                tokio::spawn(async move { Told::from(send(&session, operation, body).await.reply) })
            };
            started(&mark).await;
            let pid = session.info().pid.expect("a worker");
            kill(i64::from(pid));
            let told = calling.await.expect("told");
            let problem = told.problem();
            assert_eq!((problem.code, problem.started), (ErrorCode::WorkerDied, Some(true)), "{operation:?}");
            gone(pid as u32).await;
            assert_eq!(eval(&session, "1 + 1").await.value(), &json!(2), "after {operation:?}");
        }
    });
}
