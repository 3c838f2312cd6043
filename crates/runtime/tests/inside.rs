//! Code in a session manages environments through the host.

#[path = "support/mod.rs"]
mod house;
#[path = "support/sessions.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

use beep_python_protocol::ErrorCode;
use beep_python_runtime::interpreter::{PythonRuntimeManager, query};
use beep_python_runtime::session::SessionManager;
use serde_json::json;
use support::{eval, on_every_python, on_one_python, with_options};

/// The home's default runtime is the Python that the sessions run in.
async fn adopt(sessions: &SessionManager) {
    let path = eval(sessions.default_session(), "import sys; sys.executable")
        .await
        .value()
        .as_str()
        .expect("a path")
        .to_owned();
    let home = sessions.environments().home().clone();
    let interpreter = query(&home, std::path::Path::new(&path)).expect("it runs");
    let manager = PythonRuntimeManager::new(home);
    let runtime = manager.adopt(&interpreter).expect("adopted");
    manager.set_default(&runtime.id).expect("the default");
}

/// Records that uv is not available, so that no other one is searched for.
fn without_uv(sessions: &SessionManager) {
    let pinned: serde_json::Value = serde_json::from_str(include_str!("../data/uv.json")).expect("JSON");
    let tools = sessions.environments().home().tools().expect("a folder");
    let version = pinned["version"].as_str().expect("a version");
    std::fs::write(tools.join(format!("uv-{version}.failed")), "it is not to be had").expect("written");
}

const SNIPPET: &str = "
    import clr
    clr.AddReference('Beep.Python.Runtime')
    from Beep.Python.RuntimeEngine.Infrastructure import VenvManager
    venv_manager = VenvManager()
    env_path = venv_manager.EnsureProviderEnvironment(\"my-provider\", None)
    env_path
";

#[test]
fn both_spellings_create_environments() {
    on_every_python(async |sessions| {
        adopt(sessions).await;
        let session = sessions.default_session();
        let path = eval(session, SNIPPET).await.value().as_str().expect("a path").to_owned();
        assert!(std::path::Path::new(&path).join("bin/python").exists(), "{path}");
        let again = eval(
            session,
            "from beep_python import VenvManager\nVenvManager().ensure_provider_environment('my-provider')",
        );
        assert_eq!(again.await.value(), path.as_str());
        let listed = eval(session, "[e['name'] for e in VenvManager().list()]").await.value().clone();
        assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
        let name = listed[0].as_str().expect("a name");
        assert_eq!(eval(session, &format!("VenvManager().status({name:?})['state']")).await.value(), "healthy");
        let both = "from beep_python import VenvManager as Own\n\
            own, theirs = Own(), venv_manager\n\
            theirs.MarkFeatureInstalled('my-provider', 'base', env_path)\n\
            theirs.MarkPackageInstalled('my-provider', 'Some.Thing', '1.0')\n\
            told = [own.has_feature('my-provider', 'base'), theirs.IsFeatureInstalled('my-provider', 'more'),\n        \
                    theirs.IsPackageTracked('my-provider', 'some-thing'), own.tracked_packages('my-provider'),\n        \
                    own.registered_environment('my-provider') == env_path, theirs.GetRegisteredEnvironmentPath('other'),\n        \
                    own.provider_status('my-provider')['ready'], theirs.GetProviderPackageStatus('my-provider'),\n        \
                    env_path.endswith(own.provider_environment_name('my-provider')),\n        \
                    own.provider_environment_name('my-provider') == 'my-provider-' + theirs.DetectGPUBackend()]\n\
            told";
        let told = eval(session, both).await.value().clone();
        assert_eq!(told, json!([true, false, true, {"Some.Thing": "1.0"}, true, null, true, [], true, true]));
        eval(session, &format!("VenvManager().delete({name:?})")).await.value();
        assert!(!std::path::Path::new(&path).exists());
        let runtimes = "from beep_python import PythonRuntimeManager\nPythonRuntimeManager().default()['isDefault']";
        assert_eq!(eval(session, runtimes).await.value(), &json!(true));
        let names = "from Beep.Python.RuntimeEngine.Infrastructure import IVenvManager, IPythonRuntimeManager, VirtualEnvManager, PythonRuntimeManager\nlen(PythonRuntimeManager('ignored', logger=None).GetAvailableRuntimes())";
        assert_eq!(eval(session, names).await.value(), &json!(1));
    });
}

#[test]
fn host_calls_work_from_any_thread_and_fail_as_exceptions() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let threads = "import concurrent.futures as cf\nfrom beep_python import VenvManager, HostError\nwith cf.ThreadPoolExecutor(16) as pool:\n    lengths = list(pool.map(lambda n: len(VenvManager().list()), range(200)))\nlengths == [0] * 200";
        assert_eq!(eval(session, threads).await.value(), &json!(true));
        let told = eval(session, "VenvManager().status('nobody')").await;
        assert_eq!(told.exception()["type"], "beep_python.HostError");
        let code = "try:\n    VenvManager().create('../x')\nexcept HostError as error:\n    code = error.code\ncode";
        assert_eq!(eval(session, code).await.value(), "invalid_request");
        let forked = "import os\nr, w = os.pipe()\nif os.fork() == 0:\n    try:\n        VenvManager().list()\n    except HostError:\n        os.write(w, b'refused')\n    os._exit(0)\nos.close(w)\nos.read(r, 100).decode()";
        assert_eq!(eval(session, forked).await.value(), "refused");
        assert_eq!(eval(session, "len(VenvManager().list())").await.value(), &json!(0), "the link is whole");
    });
}

#[test]
fn environment_in_use_is_not_deleted() {
    with_options(
        |options| {
            let manager = beep_python_runtime::environment::VenvManager::new(options.home.clone());
            let interpreter = query(&options.home, &options.python).expect("it runs");
            let own = manager.create("own", &interpreter).expect("made");
            options.python = own.python.clone();
            options.environment = own.path;
        },
        async |sessions| {
            let session = sessions.default_session();
            let told = eval(session, "from beep_python import VenvManager\nVenvManager().delete('own')").await;
            assert!(told.exception()["message"].as_str().is_some_and(|message| message.contains("own")), "refused");
            assert_eq!(eval(session, "1").await.value(), &json!(1));
            let problem = sessions.environments().delete("own".to_owned()).await.expect_err("refused");
            assert_eq!(problem.code, ErrorCode::EnvironmentFailed);
            // Nor by a process that does not know of these sessions.
            let home = sessions.environments().home().clone();
            let error = beep_python_runtime::environment::VenvManager::new(home).delete("own").expect_err("refused");
            let said = format!("the environment \"own\" is in use by the process {}", std::process::id());
            assert_eq!(error.to_string(), said);
        },
    );
}

#[test]
fn installation_progress_is_reported_to_python() {
    on_one_python(async |sessions| {
        adopt(sessions).await;
        without_uv(sessions);
        let folder = tempfile::tempdir().expect("a folder");
        house::wheels::wheel(folder.path(), "alpha", "1.0", &[]);
        house::wheels::wheel(folder.path(), "beta", "1.0", &[]);
        let wheel = |name: &str| folder.path().join(format!("{name}-1.0-py3-none-any.whl")).display().to_string();
        let session = sessions.default_session();
        let code = format!(
            "from beep_python import VenvManager\nVenvManager().create('mine')\nseen = []\n\
             VenvManager().install('mine', {:?}, progress=seen.append)\n[(p['stage'], p.get('package')) for p in seen]",
            wheel("alpha")
        );
        let told = eval(session, &code).await.value().clone();
        let has = |stage: &str, package: Option<&str>| {
            told.as_array().is_some_and(|all| all.contains(&json!([stage, package])))
        };
        assert!(has("resolving", None) && has("installing", Some("alpha")), "{told}");
        let code = format!(
            "import clr\nclr.AddReference('Beep.Python.Runtime')\n\
             from Beep.Python.RuntimeEngine.Infrastructure import VenvManager\nseen = []\n\
             VenvManager().InstallPackages('mine', {:?}, seen.append)\nseen[-1]['message']",
            wheel("beta")
        );
        assert_eq!(eval(session, &code).await.value(), "installing beta");
        // What a callback raises is raised where the call stands, and the link is whole.
        let code = format!("VenvManager().install('mine', {:?}, progress=lambda told: 1 / 0)", wheel("alpha"));
        assert_eq!(eval(session, &code).await.exception()["type"], "ZeroDivisionError");
        let code = format!("VenvManager().install('mine', {:?}) != None", wheel("beta"));
        assert_eq!(eval(session, &code).await.value(), &json!(true));
    });
}

#[test]
fn packages_are_locked_synced_copied_and_repaired() {
    on_one_python(async |sessions| {
        adopt(sessions).await;
        without_uv(sessions);
        let folder = tempfile::tempdir().expect("a folder");
        house::wheels::wheel(folder.path(), "alpha", "1.0", &[]);
        let wheel = folder.path().join("alpha-1.0-py3-none-any.whl");
        let hash = beep_python_runtime::interpreter::hash_file(&wheel).expect("it can be read");
        let wheel = format!("alpha @ file://{}#sha256={hash}", wheel.display());
        let lock = folder.path().join("pylock.toml").display().to_string();
        let session = sessions.default_session();
        let code = format!(
            "from beep_python import VenvManager, HostError\nimport clr\nclr.AddReference('Beep.Python.Runtime')\n\
             from Beep.Python.RuntimeEngine.Infrastructure import VenvManager as Theirs\n\
             own, theirs = VenvManager(), Theirs()\nown.create('mine'); own.install('mine', {wheel:?})\n\
             own.lock('mine', {lock:?}) == {lock:?}, theirs.LockEnvironment('mine').endswith('mine/pylock.toml')"
        );
        assert_eq!(eval(session, &code).await.value(), &json!([true, true]));
        let text = std::fs::read_to_string(&lock).expect("a lock");
        assert!(text.contains("alpha"), "{text}");
        let code = "import os\ncopy = own.clone('mine', 'copy')\nthird = theirs.CloneVirtualEnvironment('mine', 'third')\n\
             gone = own.uninstall('copy', 'alpha', 'beta')\n\
             os.path.isdir(copy), os.path.isdir(third), [p['name'] for p in gone['removed']], gone['absent'], \
             theirs.UninstallPackages('third', 'alpha')['removed'][0]['version']";
        assert_eq!(eval(session, code).await.value(), &json!([true, true, ["alpha"], ["beta"], "1.0"]));
        let code = format!(
            "back = own.sync('copy', {lock:?})\nagain = theirs.SyncEnvironment('copy', {lock:?})\n\
             [p['name'] for p in back['changed']], back['removed'], again['changed']"
        );
        assert_eq!(eval(session, &code).await.value(), &json!([["alpha"], [], []]));
        let code = "os.unlink(os.path.join(copy, 'bin', 'python'))\nbroken = own.status('copy')['state']\n\
             was = own.repair('copy')['was']['state']\n\
             broken != 'healthy', was == broken, own.status('copy')['state'], theirs.RepairVirtualEnvironment('copy')['was']";
        assert_eq!(eval(session, code).await.value(), &json!([true, true, "healthy", {"state": "healthy"}]));
        for (code, said) in [
            ("own.uninstall('copy', '../x')", "../x"),
            ("own.sync('third', '/nowhere/pylock.toml')", "/nowhere/pylock.toml"),
            ("own.clone('copy', '../x')", "../x"),
            ("own.repair('copy', 'newest')", "newest"),
            ("own.lock('nobody')", "nobody"),
        ] {
            let told = eval(session, code).await;
            let message = told.exception()["message"].as_str().expect("text").to_owned();
            assert!(told.exception()["type"] == "beep_python.HostError" && message.contains(said), "{code}: {message}");
        }
    });
}

/// With pythonnet installed, `clr` is theirs; where theirs does not load, ours takes over.
#[test]
fn real_clr_takes_precedence() {
    let folder = tempfile::tempdir().expect("a folder");
    let works = folder.path().join("works");
    let broken = folder.path().join("broken");
    std::fs::create_dir_all(&works).expect("made");
    std::fs::create_dir_all(&broken).expect("made");
    let real = "asked = []\ndef AddReference(name):\n    asked.append(name)\n    return 'theirs'\n";
    std::fs::write(works.join("clr.py"), real).expect("written");
    std::fs::write(broken.join("clr.py"), "raise RuntimeError('no .NET on this machine')\n").expect("written");
    with_options(
        |_| (),
        async |sessions| {
            adopt(sessions).await;
            let one = sessions.create(Default::default()).await.expect("a session");
            eval(&one, &format!("import sys; sys.path.insert(0, {:?})", works.to_str().expect("text"))).await;
            assert!(eval(&one, SNIPPET).await.value().is_string());
            let theirs = eval(&one, "(clr.AddReference('System'), clr.asked, clr.__file__.endswith('clr.py'))").await;
            assert_eq!(theirs.value(), &json!(["theirs", ["System"], true]));
            let two = sessions.create(Default::default()).await.expect("a session");
            eval(&two, &format!("import sys; sys.path.insert(0, {:?})", broken.to_str().expect("text"))).await;
            assert!(eval(&two, SNIPPET).await.value().is_string());
            let told = eval(&two, "clr.AddReference('System')").await;
            assert!(told.exception()["message"].as_str().is_some_and(|message| message.contains("no .NET")));
        },
    );
}
