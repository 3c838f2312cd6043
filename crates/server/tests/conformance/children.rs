//! An interrupt reaches the processes that run beside the worker in its process group, as Ctrl-C on a terminal does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use beep_python_client::{AnyBackend, CallbackCall, CancelOutcome, Error, ErrorCode};
use beep_python_protocol::{Outcome, Problem};

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    processes_that_a_call_waits_for_end_with_it,
    pools_of_processes_end_with_their_call,
    last_words_of_interrupted_processes_belong_to_their_call,
    processes_of_another_session_or_group_are_spared,
    a_nested_call_interrupts_only_what_began_within_it,
    a_clean_up_process_is_not_interrupted_at_once,
];

/// Python misses a signal that comes just before a system call blocks; the next one comes after half of this. Without any that reaches
/// its processes, a call is killed after it.
const GRACE: Duration = Duration::from_secs(20);

/// What is told of a call that is cancelled once the code has made the file `flag`.
async fn cancelled(context: &TestContext, python: &AnyBackend, code: &str, flag: &Path) -> Problem {
    let id = format!("children of {}", context.name());
    let call = python.with_request_id(&id).with_grace(GRACE);
    let cancelling = async {
        made(flag).await;
        context.stranger().cancel(&id).await.expect("told")
    };
    let (told, _) = tokio::join!(call.evaluate::<()>(code), cancelling);
    match told {
        Err(Error::Host(problem)) => *problem,
        other => panic!("{code}: {other:?}"),
    }
}

async fn made(flag: &Path) {
    while !flag.exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    std::fs::remove_file(flag).expect("removed");
}

fn is_kept(problem: &Problem, code: &str) {
    assert_eq!(
        (problem.code, problem.outcome),
        (ErrorCode::Cancelled, Some(Outcome::StateKept)),
        "{code}: {problem:?}"
    );
}

/// A folder, and code that defines `flag`, the file that says where the code is, and the shell command `nap`, which makes it and
/// waits for ever (in one process: a shell loses a signal that comes while it starts another); and `running()`, the processes
/// beside the worker.
async fn with_naps(context: &TestContext) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let flag = folder.path().join("flag");
    let code = format!(
        "import os, signal, subprocess, sys, time\nflag = {flag:?}\nos.mkfifo(flag + '.fifo')\n\
         nap = f\"tee '{{flag}}' <> '{{flag}}.fifo'; :\"\n\
         def sleep(name, *others):\n    open(name, 'w').close()\n    while not all(map(os.path.exists, others)): time.sleep(0.005)\n    \
         if others: open(flag, 'w').close()\n    while True: time.sleep(0.01)\n\
         def running():\n    found = []\n    for pid in filter(str.isdigit, os.listdir('/proc')):\n        try:\n            \
         with open(f'/proc/{{pid}}/stat') as file: state, _, group = file.read().rpartition(')')[2].split()[:3]\n            \
         with open(f'/proc/{{pid}}/cmdline', 'rb') as file: helps = b'resource_tracker' in file.read()\n            \
         if int(group) == os.getpid() != int(pid) and state not in 'ZX' and not helps: found.append(pid)\n        \
         except OSError: pass\n    return found",
        flag = flag.to_str().expect("UTF-8")
    );
    context.python.evaluate::<()>(&code).await.expect("defined");
    (folder, flag)
}

/// What was interrupted is gone, and the next call has nothing of it. The session kept its state.
async fn nothing_is_left(context: &TestContext, code: &str) {
    context.python.evaluate::<()>("while running(): time.sleep(0.005)").await.expect("they are gone");
    let clean: beep_python_client::Response<i64> = context.python.evaluate("40 + 2").await.expect("goes on");
    assert_eq!((clean.value, clean.stdout.as_str(), clean.session_epoch), (42, "", Some(1)), "{code}");
}

async fn processes_that_a_call_waits_for_end_with_it(context: &TestContext) {
    let (_folder, flag) = with_naps(context).await;
    for code in [
        "os.system(nap)",
        "subprocess.Popen(nap, shell=True).wait()",
        "subprocess.Popen(nap, shell=True).communicate()",
        "subprocess.run(f'({nap}; echo late) | cat', shell=True)",
        "subprocess.run([sys.executable, '-c', f'import os; os.system({nap!r})'])",
        "subprocess.check_output(nap, shell=True)",
        "for _ in range(3): os.system(nap)",
        "import asyncio\nasync def wait():\n    child = await asyncio.create_subprocess_shell(nap)\n    await child.wait()\nawait wait()",
        "import threading\nthread = threading.Thread(target=os.system, args=(nap,))\nthread.start()\nthread.join()",
    ] {
        let told = cancelled(context, &context.python, code, &flag).await;
        is_kept(&told, code);
        nothing_is_left(context, code).await;
    }
    // What catches the interrupt cleans up first, and is waited for as ever.
    let tidy = "script = f'''\nimport time\ntry:\n    open({flag!r}, 'w').close()\n    while True: time.sleep(0.01)\nexcept KeyboardInterrupt:\n    open({mark!r}, 'w').close()\n'''\n\
                child = subprocess.Popen([sys.executable, '-c', script])\ntry: child.wait()\nfinally: child.wait()";
    context.python.evaluate::<()>("mark = flag[:-4] + 'tidied'").await.expect("done");
    is_kept(&cancelled(context, &context.python, tidy, &flag).await, tidy);
    assert!(context.python.evaluate::<bool>("os.path.exists(mark) and child.returncode == 0").await.expect("told"));
    // It has a terminal, and with it a process session, of its own.
    let pty = "import pty\npty.spawn(['sh', '-c', nap])";
    is_kept(&cancelled(context, &context.python, pty, &flag).await, pty);
    assert_eq!(context.python.evaluate::<i64>("40 + 2").await.expect("goes on"), 42);
}

async fn pools_of_processes_end_with_their_call(context: &TestContext) {
    let (_folder, flag) = with_naps(context).await;
    // The parent is interrupted where it waits: CPython swallows what is raised in its own functions after a fork.
    for code in [
        "import multiprocessing\nwith multiprocessing.Pool(2) as pool: pool.starmap(sleep, [(flag + '1', flag + '2'), (flag + '2',)], chunksize=1)",
        "from concurrent.futures import ProcessPoolExecutor\nwith ProcessPoolExecutor(1) as pool: list(pool.map(sleep, [flag]))",
        "import multiprocessing\nchild = multiprocessing.Process(target=sleep, args=(flag + '3', flag + '4'))\nchild.start()\nopen(flag + '4', 'w').close()\nchild.join()",
        "child = os.fork()\nif child == 0: sleep(flag + '5', flag + '6')\nopen(flag + '6', 'w').close()\nos.waitpid(child, 0)",
    ] {
        let told = cancelled(context, &context.python, code, &flag).await;
        is_kept(&told, code);
        nothing_is_left(context, code).await;
    }
}

async fn last_words_of_interrupted_processes_belong_to_their_call(context: &TestContext) {
    const TRIES: usize = 5; // a process has a quarter of a second to say them: on a busy machine it may not suffice
    let (_folder, flag) = with_naps(context).await;
    let code = "child = subprocess.Popen(f'trap \"echo last words; exit 0\" INT; : > {flag}.set; while :; do sleep 0.01; done', shell=True)\n\
                while not os.path.exists(flag + '.set'): time.sleep(0.005)\nos.rename(flag + '.set', flag)\nwhile True: time.sleep(0.01)";
    for attempt in 1..=TRIES {
        let told = cancelled(context, &context.python, code, &flag).await;
        is_kept(&told, code);
        context.python.evaluate::<()>("child.wait(); None").await.expect("it has ended");
        if told.stdout == "last words\n" {
            break;
        }
        assert!(attempt < TRIES, "{told:?}");
    }
    // What ignores the interrupt is not waited for; nor is it ended.
    let deaf = "child = subprocess.Popen(f'trap \"\" INT; : > {flag}.deaf; sleep 1000000', shell=True)\n\
                while not os.path.exists(flag + '.deaf'): time.sleep(0.005)\nopen(flag, 'w').close()\nwhile True: time.sleep(0.01)";
    is_kept(&cancelled(context, &context.python, deaf, &flag).await, deaf);
    let background = "os.system(f'sleep 1000000 & tee {flag} <> {flag}.fifo')";
    is_kept(&cancelled(context, &context.python, background, &flag).await, background);
    assert!(context.python.evaluate::<bool>("child.poll() is None").await.expect("told"), "it goes on");
}

async fn processes_of_another_session_or_group_are_spared(context: &TestContext) {
    let (_folder, flag) = with_naps(context).await;
    for how in ["start_new_session=True", "preexec_fn=os.setpgrp"] {
        let code = format!(
            "child = subprocess.Popen(nap.replace(flag, flag + '.its', 1), shell=True, {how})\nopen(flag, 'w').close()\nchild.wait()"
        );
        is_kept(&cancelled(context, &context.python, &code, &flag).await, &code);
        let alive = "alive = child.poll() is None\nos.killpg(child.pid, 9)\nchild.wait()\nalive";
        assert!(context.python.evaluate::<bool>(alive).await.expect("told"), "{how}");
        nothing_is_left(context, &code).await;
    }
    // No neighbour is reached either.
    let other = context.stranger();
    let session = other.create_session().await.expect("a session");
    let neighbour = other.with_session(&session);
    neighbour
        .evaluate::<()>("import subprocess\nchild = subprocess.Popen(['sleep', '1000000'])")
        .await
        .expect("it runs");
    is_kept(&cancelled(context, &context.python, "os.system(nap)", &flag).await, "beside another");
    assert!(neighbour.evaluate::<bool>("child.poll() is None").await.expect("told"), "it goes on");
    other.delete_session(&session).await.expect("ended");
}

async fn a_nested_call_interrupts_only_what_began_within_it(context: &TestContext) {
    let (_folder, flag) = with_naps(context).await;
    let id = format!("nested in {}", context.name());
    let (inner, canceller, name, file) = (context.companion(), context.stranger(), id.clone(), flag.clone());
    let python = context.python.with_callback("ask", move |call: CallbackCall| {
        let within = inner.nested_in(&call).with_request_id(&name).with_grace(GRACE);
        let (canceller, name, file) = (canceller.clone(), name.clone(), file.clone());
        async move {
            let cancelling = async {
                made(&file).await;
                canceller.cancel(&name).await
            };
            let (told, outcome) = tokio::join!(within.evaluate::<()>("os.system(nap)"), cancelling);
            assert_eq!(told.expect_err("cancelled").code(), Some(ErrorCode::Cancelled));
            Ok::<_, Error>(outcome? == CancelOutcome::StateKept)
        }
    });
    let ask = [("ask", beep_python_client::Callback("ask".into()))];
    let around = "helper = subprocess.Popen(['sleep', '1000000'])\nkept = ask()\nalive = helper.poll() is None\nhelper.kill()\nhelper.wait()\n(kept, alive)";
    assert_eq!(python.evaluate_with::<(bool, bool)>(around, ask).await.expect("goes on"), (true, true));
    nothing_is_left(context, around).await;
}

async fn a_clean_up_process_is_not_interrupted_at_once(context: &TestContext) {
    let (_folder, flag) = with_naps(context).await;
    let code = "try: os.system(nap)\nfinally: tidied = subprocess.run('sleep 0.3; echo tidied', shell=True, capture_output=True, text=True).stdout";
    is_kept(&cancelled(context, &context.python, code, &flag).await, code);
    assert_eq!(context.python.evaluate::<String>("tidied").await.expect("kept"), "tidied\n");
}
