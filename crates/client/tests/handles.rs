//! Held objects: as results, as arguments, and how they are let go.

mod fake;

use beep_python_client::{Args, Error, Handle, Response, Returned};
use fake::{Fake, Scripted, Seen};
use serde_json::json;

/// A host on which everything is an object, with an id that counts up.
async fn objects() -> Fake {
    let next = std::sync::atomic::AtomicUsize::new(1);
    Fake::start(move |seen| {
        if seen.route == "POST /api/dispose" {
            return Scripted::json(r#"{"success":true}"#);
        }
        if seen.route == "POST /api/import" {
            return Scripted::json(r#"{"handleId":"m"}"#);
        }
        let id = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let is_handle = seen.route != "POST /api/create";
        Scripted::json(&format!(
            r#"{{"isHandle":{is_handle},"handleId":"h{id}","typeName":"numpy.ndarray","repr":"array([1])","shape":[1],
                "dtype":"int64","stdout":"made\n","sessionEpoch":1}}"#
        ))
    })
    .await
}

fn disposals(fake: &Fake) -> Vec<Seen> {
    fake.seen().into_iter().filter(|seen| seen.route == "POST /api/dispose").collect()
}

#[tokio::test]
async fn an_object_is_described_and_can_be_an_argument() {
    let fake = objects().await;
    let array: Handle = fake.backend.evaluate("numpy.array([1])").await.unwrap();
    assert_eq!((array.id(), array.type_name(), array.repr()), ("h1", "numpy.ndarray", Some("array([1])")));
    assert_eq!((array.shape(), array.dtype(), array.session()), (Some(&[1][..]), Some("int64"), None));
    assert_eq!(array.to_string(), "array([1])");

    let args = Args::new().arg(&array).arg(vec![&array]).kwarg("other", &array);
    let _: Handle = fake.backend.call_method(&array, "dot", args).await.unwrap();
    assert_eq!(
        fake.seen()[1].body,
        json!({
            "handleId": "h1", "methodName": "dot", "returnType": "IPythonObjectHandle",
            "args": [{"$handle": "h1"}, [{"$handle": "h1"}]], "kwargs": {"other": {"$handle": "h1"}}
        })
    );
}

#[tokio::test]
async fn dropped_handles_are_released_together() {
    let fake = objects().await;
    let mut handles = Vec::new();
    for _ in 0..3 {
        handles.push(fake.backend.evaluate::<Handle>("x").await.unwrap());
    }
    let clone = handles[0].clone();
    drop(handles);
    fake.backend.release_dropped().await;
    assert_eq!(disposals(&fake).len(), 1);
    assert_eq!(disposals(&fake)[0].body, json!({"handleIds": ["h2", "h3"]}), "h1 still has a clone");

    std::thread::spawn(move || drop(clone)).join().unwrap();
    fake.backend.release_dropped().await;
    assert_eq!(disposals(&fake)[1].body, json!({"handleIds": ["h1"]}));
}

#[tokio::test]
async fn handles_are_released_in_their_own_session() {
    let fake = objects().await;
    let one: Handle = fake.backend.with_session("one").evaluate("x").await.unwrap();
    let two: Handle = fake.backend.with_session("two").evaluate("x").await.unwrap();
    assert_eq!((one.session(), two.session()), (Some("one"), Some("two")));

    // A call on a handle goes to where the object is, whichever clone of the backend makes it.
    let transposed: Returned = fake.backend.get_attribute(&one, "T").await.unwrap();
    assert_eq!(fake.seen()[2].header("x-beep-session"), Some("one"));

    drop((one, two, transposed));
    fake.backend.release_dropped().await;
    let mut released: Vec<_> = disposals(&fake)
        .iter()
        .map(|seen| (seen.header("x-beep-session").unwrap().to_owned(), seen.body["handleIds"].clone()))
        .collect();
    released.sort_by_key(|(session, _)| session.clone());
    assert_eq!(released, [("one".to_owned(), json!(["h1", "h3"])), ("two".to_owned(), json!(["h2"]))]);
}

#[tokio::test]
async fn a_handle_where_a_value_was_wanted_is_an_error_and_released() {
    let fake = objects().await;
    let error = fake.backend.evaluate::<i64>("x").await.unwrap_err();
    let Error::UnexpectedHandle { type_name, repr } = &error else { panic!("{error:?}") };
    assert_eq!((type_name.as_str(), repr.as_deref()), ("numpy.ndarray", Some("array([1])")));
    assert_eq!(error.to_string(), "the result is an object of type numpy.ndarray, which has no value form: array([1])");
    fake.backend.release_dropped().await;
    assert_eq!(disposals(&fake)[0].body, json!({"handleIds": ["h1"]}));
}

#[tokio::test]
async fn returned_takes_either_and_answer_keeps_what_was_printed() {
    let fake = objects().await;
    let answer: Response<Returned> = fake.backend.evaluate("x").await.unwrap();
    assert!(matches!(answer.value, Returned::Handle(_)));
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str(), answer.session_epoch), ("made\n", "", Some(1)));
    assert_eq!(fake.only().body, json!({"expression": "x"}), "no kind of result is asked for");

    let fake = Fake::always(r#"{"value":[1]}"#).await;
    let answer: Response<Returned> = fake.backend.evaluate("x").await.unwrap();
    assert!(matches!(answer.value, Returned::Value(value) if value.to_string() == "[1]"));
    let error = fake.backend.evaluate::<Handle>("x").await.unwrap_err();
    assert_eq!(error.to_string(), "a handle was asked for, and the result is a plain list");
}

#[tokio::test]
async fn dispose_handle_releases_once() {
    let fake = objects().await;
    let handle: Handle = fake.backend.evaluate("x").await.unwrap();
    let clone = handle.clone();
    fake.backend.dispose_handle(handle).await.unwrap();
    drop(clone);
    fake.backend.release_dropped().await;
    assert_eq!(disposals(&fake).len(), 1);
    assert_eq!(disposals(&fake)[0].body, json!({"handleId": "h1"}));
}

#[tokio::test]
async fn a_disposal_that_failed_is_made_up_for_when_the_handle_is_dropped() {
    let fake = Fake::start(|seen| match (&seen.route[..], &seen.body["handleId"]) {
        ("POST /api/dispose", id) if id.is_string() => Scripted::raw("").then_close(),
        _ => Scripted::json(r#"{"isHandle":true,"handleId":"h1","typeName":"object"}"#),
    })
    .await;
    let handle: Handle = fake.backend.evaluate("x").await.unwrap();
    fake.backend.dispose_handle(handle).await.unwrap_err();
    fake.backend.release_dropped().await;
    assert_eq!(disposals(&fake)[1].body, json!({"handleIds": ["h1"]}));
}

#[tokio::test]
async fn modules_are_shared_and_not_released_by_dropping() {
    let fake = objects().await;
    let module = fake.backend.import_module("math").await.unwrap();
    assert_eq!((module.id(), module.type_name()), ("m", "module"));
    let object = fake.backend.create_object(&module, "Thing", Args::new().arg(1).kwarg("size", 2.0)).await.unwrap();
    assert_eq!(
        fake.seen()[1].body,
        json!({"moduleHandleId": "m", "className": "Thing", "args": [1], "kwargs": {"size": 2.0}})
    );
    drop((module, object));
    fake.backend.release_dropped().await;
    assert_eq!(disposals(&fake)[0].body, json!({"handleIds": ["h1"]}));
}

#[tokio::test]
async fn release_dropped_without_any_handles_does_nothing() {
    let fake = objects().await;
    fake.backend.release_dropped().await;
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn handles_outlive_the_backend_they_came_from() {
    let fake = objects().await;
    let handle: Handle = fake.backend.with_session("s").evaluate("x").await.unwrap();
    let other = fake.backend.clone();
    drop(handle);
    other.release_dropped().await;
    assert_eq!(disposals(&fake).len(), 1);
}

#[test]
fn handles_are_released_in_the_runtime_that_they_were_made_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serving = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = serving.block_on(objects());
    let (idle, busy) = (runtime(), runtime());
    let kept: Handle = idle.block_on(fake.backend.evaluate("x")).unwrap();
    busy.block_on(async {
        drop(fake.backend.evaluate::<Handle>("y").await.unwrap());
        fake.backend.release_dropped().await; // though nothing happens in the other one
    });
    drop(kept);
    idle.block_on(fake.backend.release_dropped());
    let released: Vec<_> = disposals(&fake).iter().map(|seen| seen.body["handleIds"].clone()).collect();
    assert_eq!(released, [json!(["h2"]), json!(["h1"])]);
}
