//! Many clients at once, and clients that are gone.

use beep_python_client::Handle;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    sixty_four_clients_get_their_own_answers,
    one_connection_carries_many_calls_at_once,
    sessions_run_side_by_side,
    client_that_vanishes_midway_affects_no_other,
];

async fn sixty_four_clients_get_their_own_answers(context: &TestContext) {
    context.python.evaluate::<()>("count = 0").await.expect("set");
    let clients: Vec<_> = (0..64)
        .map(|client| {
            let python = context.companion();
            tokio::spawn(async move {
                let held: Handle = python.evaluate(&format!("[{client}]")).await.expect("held");
                for n in 0..10 {
                    let code = format!("count += 1\n{client} * 1000 + {n}");
                    assert_eq!(python.evaluate::<i64>(&code).await.expect("answered"), client * 1000 + n);
                }
                assert_eq!(python.call_method::<i64>(&held, "pop", ()).await.expect("its own"), client);
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
    assert_eq!(context.python.evaluate::<i64>("count").await.expect("counted"), 640, "each call once");
}

async fn one_connection_carries_many_calls_at_once(context: &TestContext) {
    let calls: Vec<_> = (0..64)
        .map(|n| {
            let python = context.python.clone();
            tokio::spawn(async move { python.evaluate::<i64>(&format!("{n} * 2")).await.expect("answered") })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.expect("no panic"), 2 * n as i64);
    }
}

/// The first call ends only when the second has run.
async fn sessions_run_side_by_side(context: &TestContext) {
    let python = &context.python;
    let other = context.stranger();
    let id = other.create_session().await.expect("a session");
    let flag = context.server.folder().join(format!("beside-{}", context.name()));
    let wait = "import os, time\nwhile not os.path.exists(flag): time.sleep(0.002)\n'seen'";
    let waits = python.evaluate_with::<String>(wait, [("flag", &flag)]);
    let there = other.with_session(&id);
    let makes = there.evaluate_with::<()>("open(flag, 'w').close()", [("flag", &flag)]);
    let (seen, made) = tokio::join!(waits, makes);
    assert_eq!((seen.expect("ended"), made.expect("made")), ("seen".into(), ()));
    other.delete_session(&id).await.expect("ended");
}

async fn client_that_vanishes_midway_affects_no_other(context: &TestContext) {
    let flag = context.server.folder().join(format!("vanish-{}", context.name()));
    let code =
        "import os, time\nopen(flag, 'w').close()\nwhile not os.path.exists(flag + '.go'): time.sleep(0.002)\ndone = 1";
    let gone = context.companion();
    let call = tokio::spawn({
        let (gone, flag) = (gone.clone(), flag.clone());
        async move { gone.evaluate_with::<()>(code.trim(), [("flag", flag)]).await }
    });
    while !flag.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    // Its connections go with it, in the middle of the call.
    call.abort();
    drop(gone);
    assert!(call.await.expect_err("given up").is_cancelled());
    let stranger = context.stranger();
    assert_eq!(stranger.evaluate::<i64>("1 + 1").await.expect("others go on"), 2);
    std::fs::write(format!("{}.go", flag.display()), "").expect("a file");
    // Calls run in order of arrival: this one comes after.
    assert_eq!(context.python.evaluate::<i64>("1").await.expect("the session goes on"), 1);
    let sessions = stranger.list_sessions().await.expect("a list");
    assert!(sessions.iter().any(|session| session.session_id == context.session && session.session_epoch == 1));
}
