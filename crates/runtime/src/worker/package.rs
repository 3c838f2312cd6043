//! The Python side: embedded in the binary, and unpacked into the home's cache.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::platform::replace_file;

/// What a zygote is started with.
pub(crate) const BOOT: &str = "beep_python/_boot.py";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../python/beep_python/", $name)))),*]
    };
}

/// Every file of the package.
const FILES: &[(&str, &str)] = files![
    "__init__.py",
    "_affinity.py",
    "_answers.py",
    "_array_sources.py",
    "_arrays.py",
    "_attached.py",
    "_batch.py",
    "_boot.py",
    "_builtins.py",
    "_bursts.py",
    "_c_results.py",
    "_callbacks.py",
    "_classes.py",
    "_client.py",
    "_compiler.py",
    "_completion.py",
    "_content.py",
    "_crash.py",
    "_current.py",
    "_data.py",
    "_data_channel.py",
    "_debugger.py",
    "_decode.py",
    "_describe.py",
    "_destroy.py",
    "_did_you_mean.py",
    "_display.py",
    "_dotnet.py",
    "_dotnet_hosts.py",
    "_dotnet_interface.py",
    "_dotnet_launcher.py",
    "_dotnet_task.py",
    "_dtypes.py",
    "_encode.py",
    "_event_loop.py",
    "_exact.py",
    "_exceptions.py",
    "_exec.py",
    "_exit.py",
    "_family.py",
    "_figure_backend.py",
    "_frame_locals.py",
    "_frames.py",
    "_freshness.py",
    "_getpass.py",
    "_guarded.py",
    "_handles.py",
    "_hints.py",
    "_host_rpc.py",
    "_images.py",
    "_import_hooks.py",
    "_inherited.py",
    "_interrupts.py",
    "_ipython.py",
    "_last_exception.py",
    "_last_words.py",
    "_lease_wait.py",
    "_leases.py",
    "_limits.py",
    "_living_sources.py",
    "_magic_commands.py",
    "_magic_completion.py",
    "_magic_pip.py",
    "_magics.py",
    "_managers.py",
    "_matplotlib.py",
    "_memory.py",
    "_mime.py",
    "_module_names.py",
    "_names.py",
    "_nested.py",
    "_npy.py",
    "_object_help.py",
    "_objects.py",
    "_open_files.py",
    "_origin.py",
    "_orphans.py",
    "_output.py",
    "_path_completion.py",
    "_pipes.py",
    "_plain.py",
    "_plotly.py",
    "_preloaded_loops.py",
    "_process.py",
    "_prompt.py",
    "_random_seeds.py",
    "_received.py",
    "_recovery.py",
    "_repr.py",
    "_return_type.py",
    "_routed_output.py",
    "_session.py",
    "_shared_page.py",
    "_sigchld.py",
    "_signals.py",
    "_signatures.py",
    "_source_files.py",
    "_source_text.py",
    "_sources.py",
    "_spawn_hook.py",
    "_spawned_child.py",
    "_spawned_main.py",
    "_static.py",
    "_std_descriptors.py",
    "_std_streams.py",
    "_stdin.py",
    "_stopped.py",
    "_streams.py",
    "_table_reads.py",
    "_table_sources.py",
    "_told.py",
    "_trace_context.py",
    "_tracing.py",
    "_type_name.py",
    "_unawaited.py",
    "_undivided.py",
    "_variables.py",
    "_walk.py",
    "_warmup.py",
    "_wire.py",
    "_worker.py",
    "_zygote.py",
];

/// The package could not be unpacked.
#[derive(Debug, thiserror::Error)]
#[error("cannot unpack the Python side into {}", path.display())]
pub struct PackageError {
    path: PathBuf,
    source: io::Error,
}

/// Returns the folder that contains `beep_python`; unpacks it under `cache` first if needed.
///
/// Its name is a hash of its contents, so that versions live side by side. What a full disk, a crash of the machine or a cleaner of
/// caches took from an existing folder is written anew: each start compares every file, which takes a few milliseconds.
pub(crate) fn unpack(cache: &Path) -> Result<PathBuf, PackageError> {
    let mut hash = Sha256::new();
    for (name, text) in FILES {
        hash.update(format!("{name}\0{text}\0"));
    }
    let digest = hash.finalize();
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let target = cache.join(format!("python-{name}"));
    let failed = |source| PackageError { path: target.clone(), source };
    if target.symlink_metadata().is_ok() {
        mend(&target).map_err(failed)?;
        return Ok(target);
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(cache).map_err(failed)?; // it may be gone since
    let staging = tempfile::Builder::new().prefix(".python-").tempdir_in(cache).map_err(failed)?;
    let package = staging.path().join("beep_python");
    fs::create_dir(&package).map_err(failed)?;
    for (name, text) in FILES {
        fs::write(package.join(name), text).map_err(failed)?;
    }
    match fs::rename(staging.path(), &target) {
        Ok(()) => {
            let _ = staging.keep(); // it has its final name now
            Ok(target)
        }
        Err(_) if target.is_dir() => Ok(target), // another process was faster
        Err(error) => Err(failed(error)),
    }
}

/// Makes every file what it should be. File by file, since servers import from the folder meanwhile.
fn mend(target: &Path) -> io::Result<()> {
    let package = target.join("beep_python");
    for (name, text) in FILES {
        let path = package.join(name);
        if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        tracing::warn!(path = %path.display(), "a file of the Python side is missing or damaged, and is written anew");
        for folder in [target, &package] {
            make_folder(folder)?;
        }
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        }
        replace_file(&path, text.as_bytes()).map_err(|error| error.source)?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_file_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/beep_python");
        let mut on_disk: Vec<String> = fs::read_dir(folder)
            .expect("the package is in the repository")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .filter(|name| name.ends_with(".py"))
            .collect();
        on_disk.sort();
        let embedded: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(embedded, on_disk);
    }

    #[test]
    fn unpacking_twice_gives_the_same_folder() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let first = unpack(cache.path()).expect("unpacked");
        assert_eq!(unpack(cache.path()).expect("found again"), first);
        assert_eq!(fs::read_dir(cache.path()).expect("the cache").count(), 1, "no staging folder is left");
    }

    #[test]
    fn damage_of_every_kind_is_mended() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let target = unpack(cache.path()).expect("unpacked");
        let package = target.join("beep_python");
        let file = package.join("_worker.py");
        let damages: [&dyn Fn() -> io::Result<()>; 8] = [
            &|| fs::remove_file(&file),
            &|| fs::write(&file, ""),
            &|| fs::write(&file, &fs::read(&file)?[..100]),
            &|| fs::write(&file, "raise SystemExit"),
            &|| fs::remove_file(&file).and_then(|()| fs::create_dir(&file)),
            &|| fs::remove_dir_all(&package),
            &|| fs::remove_dir_all(&package).and_then(|()| fs::write(&package, "")),
            &|| fs::remove_dir_all(&target).and_then(|()| fs::write(&target, "")),
        ];
        for (number, damage) in damages.iter().enumerate() {
            damage().expect("damaged");
            assert_eq!(unpack(cache.path()).expect("mended"), target);
            for (name, text) in FILES {
                assert_eq!(fs::read_to_string(package.join(name)).expect(name), *text, "{name} after damage {number}");
            }
        }
        assert_eq!(fs::read_dir(cache.path()).expect("the cache").count(), 1);
    }
}
