//! Environments: as operations, and from inside Python.

use beep_python_client::ErrorCode;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    environments_are_made_listed_tried_and_deleted,
    existing_scripts_make_environments,
    existing_scripts_make_them_beside_a_real_clr,
    existing_scripts_make_them_where_the_real_clr_does_not_load,
];

/// What scripts say that were written for the predecessor.
const SCRIPT: &str = r#"
    import clr
    clr.AddReference('Beep.Python.Runtime')
    from Beep.Python.RuntimeEngine.Infrastructure import VenvManager
    venv_manager = VenvManager()
    env_path = venv_manager.EnsureProviderEnvironment("PROVIDER", None)
    env_path
"#;

/// The script for a provider of this case's own.
fn script(context: &TestContext) -> String {
    SCRIPT.replace("PROVIDER", &format!("my-provider-{}", context.name()))
}

fn without_indent(script: &str) -> String {
    script.lines().map(|line| format!("{}\n", line.trim())).collect()
}

async fn environments_are_made_listed_tried_and_deleted(context: &TestContext) {
    let python = &context.python;
    let provider = format!("made-{}", context.name());
    let path = python.create_environment(&provider, Some("org/Model-7B")).await.expect("made");
    assert!(path.join("bin/python").exists(), "{}", path.display());
    assert_eq!(python.create_environment(&provider, Some("org/Model-7B")).await.expect("found"), path);
    let list = python.list_environments().await.expect("a list");
    let made = list.iter().find(|made| made.path == path.to_str().expect("text")).expect("it is listed");
    let status = python.environment_status(&made.name).await.expect("tried");
    let record = status.record.expect("who made it");
    assert_eq!((status.state.as_str(), record.provider.as_deref()), ("healthy", Some(provider.as_str())));
    let (major, minor) = context.version;
    assert!(record.python.starts_with(&format!("{major}.{minor}.")), "{}", record.python);
    assert_eq!(python.install_packages(&made.name, &[]).await.expect("nothing to do"), []);
    let wrong = python.install_packages(&made.name, &["--index-url=x"]).await.expect_err("no package");
    assert_eq!(wrong.code(), Some(ErrorCode::InvalidRequest));
    python.delete_environment(&made.name).await.expect("deleted");
    assert!(!path.exists());
    let gone = python.delete_environment(&made.name).await.expect_err("gone");
    assert_eq!(gone.code(), Some(ErrorCode::UnknownEnvironment));
}

async fn existing_scripts_make_environments(context: &TestContext) {
    let python = &context.python;
    let script = script(context);
    let path: String = python.evaluate(&script).await.expect("as it stands");
    assert!(std::path::Path::new(&path).join("bin/python").exists(), "{path}");
    assert_eq!(python.evaluate::<String>(&without_indent(&script)).await.expect("without indent"), path);
    let own = "from beep_python import VenvManager as Own\nOwn().ensure_provider_environment(name)";
    let name = format!("my-provider-{}", context.name());
    assert_eq!(python.evaluate_with::<String>(own, [("name", name)]).await.expect("our own spelling"), path);
    assert!(python.evaluate::<bool>("isinstance(env_path, str)").await.expect("a string"));
    let more = "copied = venv_manager.CloneVirtualEnvironment(env_path.rsplit('/', 1)[1], copy)\n\
        lock = Own().lock(copy)\nsynced = venv_manager.SyncEnvironment(copy)\nmended = Own().repair(copy)\n\
        gone = Own().uninstall(copy, 'nothing')\nOwn().delete(copy)\n\
        [lock == copied + '/pylock.toml', synced['changed'], mended['was']['state'], gone['absent']]";
    // Several hosts share a home, and the ids of their sessions are alike.
    let code =
        format!("import uuid\nfrom beep_python import VenvManager as Own\ncopy = 'copy-' + uuid.uuid4().hex\n{more}");
    let told: (bool, Vec<String>, String, Vec<String>) = python.evaluate(&code).await.expect("both spellings");
    assert_eq!(told, (true, vec![], "healthy".into(), vec!["nothing".into()]));
    // As existing clients go about it: import first, then evaluate.
    let other = context.stranger().with_session(&context.session);
    other.import_module("clr").await.expect("imported");
    other.evaluate::<beep_python_client::Returned>("clr.AddReference('Beep.Python.Runtime')").await.expect("known");
    let refused = other.evaluate::<()>("clr.AddReference('System.Nothing')").await.expect_err("not ours");
    assert!(refused.to_string().contains("System.Nothing"), "{refused}");
}

/// A stand-in for pythonnet, which does what the real one does as far as this goes: while its `clr.py` loads, it puts a
/// module of its own into `sys.modules`, and writes its functions into that module's dict again whenever an assembly was
/// loaded.
const PYTHONNET: &str = r#"
import sys, types
real = types.ModuleType('clr')
asked = []
def AddReference(name):
    asked.append(name)
    if name.startswith('System'):
        real.__dict__.update(functions)
        return 'assembly ' + name
    raise FileNotFoundError(name)
functions = {'AddReference': AddReference, 'asked': asked}
real.__dict__.update(functions)
real.__file__ = __file__
sys.modules['clr'] = real
"#;

async fn beside(context: &TestContext, source: &str) {
    let folder = context.server.folder().join(format!("site-{}", context.name()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("clr.py"), source).expect("written");
    let path = "import sys\nsys.path.insert(0, folder)";
    context.python.evaluate_with::<()>(path, [("folder", folder)]).await.expect("on the path");
}

async fn existing_scripts_make_them_beside_a_real_clr(context: &TestContext) {
    beside(context, PYTHONNET).await;
    let python = &context.python;
    let script = script(context);
    let path: String = python.evaluate(&script).await.expect("as it stands");
    assert!(std::path::Path::new(&path).join("bin/python").exists(), "{path}");
    assert_eq!(python.evaluate::<String>(&without_indent(&script)).await.expect("without indent"), path);
    let xml: String = python.evaluate("clr.AddReference('System.Xml')").await.expect("theirs");
    assert_eq!(xml, "assembly System.Xml");
    assert_eq!(python.evaluate::<String>(&script).await.expect("again, after theirs loaded something"), path);
    let theirs: (Vec<String>, bool) =
        python.evaluate("(clr.asked, clr.__file__.endswith('clr.py'))").await.expect("asked");
    assert_eq!(theirs, (vec!["System.Xml".into()], true), "ours is not asked of them");
    let refused = python.evaluate::<()>("clr.AddReference('Other')").await.expect_err("theirs refuses");
    assert_eq!(
        refused.exception().map(|e| (e.kind.as_str(), e.message.as_str())),
        Some(("FileNotFoundError", "Other"))
    );
}

async fn existing_scripts_make_them_where_the_real_clr_does_not_load(context: &TestContext) {
    beside(context, "raise RuntimeError('Failed to create a default .NET runtime, which would have been \"mono\"')")
        .await;
    let python = &context.python;
    let script = script(context);
    let path: String = python.evaluate(&script).await.expect("as it stands");
    assert!(std::path::Path::new(&path).join("bin/python").exists(), "{path}");
    assert_eq!(python.evaluate::<String>(&without_indent(&script)).await.expect("without indent"), path);
    let told = python.evaluate::<()>("clr.AddReference('System')").await.expect_err("there is none");
    assert!(told.to_string().contains("default .NET runtime"), "why theirs did not load is told: {told}");
}
