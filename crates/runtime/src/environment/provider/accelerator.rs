//! Detecting this machine's accelerator.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use beep_python_protocol::quoted;
use serde::{Deserialize, Serialize};

use crate::platform::{Home, replace_file, run_command};

/// Timeout of `nvidia-smi`, which loads the driver when nothing else uses it.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Files of drivers. When one appears, disappears or changes, detection runs again.
const DRIVER_FILES: [&str; 9] = [
    "proc/driver/nvidia/version",
    "dev/nvidiactl",
    "dev/nvidia0",
    "dev/dxg",
    "dev/kfd",
    "opt/rocm",
    "dev/dri",
    "usr/share/vulkan/icd.d",
    "etc/vulkan/icd.d",
];

/// What a provider's packages are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// NVIDIA's CUDA.
    Cuda,
    /// AMD's ROCm.
    Rocm,
    /// Vulkan.
    Vulkan,
    /// The processor only.
    Cpu,
}

/// A detected accelerator, and the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detected {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// The evidence, in words.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
struct CachedDetection {
    files: Vec<Option<(i64, u64)>>,
    detected: Detected,
}

impl Accelerator {
    /// All accelerators, the best first.
    pub const ALL: [Accelerator; 4] = [Accelerator::Cuda, Accelerator::Rocm, Accelerator::Vulkan, Accelerator::Cpu];

    /// `cuda`, `rocm`, `vulkan`, `cpu`
    pub fn word(self) -> &'static str {
        match self {
            Accelerator::Cuda => "cuda",
            Accelerator::Rocm => "rocm",
            Accelerator::Vulkan => "vulkan",
            Accelerator::Cpu => "cpu",
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Accelerator {
    type Err = String;

    fn from_str(text: &str) -> Result<Accelerator, String> {
        let found = Accelerator::ALL.into_iter().find(|accelerator| accelerator.word() == text.trim());
        found.ok_or_else(|| format!("{} is none of cuda, rocm, vulkan and cpu", quoted(text)))
    }
}

/// What `BEEP_PYTHON_ACCELERATOR` says; an error where that is no accelerator.
pub fn accelerator_in_env() -> Result<Option<Accelerator>, String> {
    let said = std::env::var("BEEP_PYTHON_ACCELERATOR").ok().filter(|word| !word.trim().is_empty());
    said.map(|said| said.parse()).transpose().map_err(|wrong| format!("BEEP_PYTHON_ACCELERATOR: {wrong}"))
}

/// Detects this machine's accelerator: the value of `BEEP_PYTHON_ACCELERATOR` (`cuda`, `rocm`, `vulkan`, `cpu`), else
/// CUDA by the files of NVIDIA's driver and `nvidia-smi`, ROCm by AMD's kernel driver and ROCm's files, Vulkan by its
/// drivers.
///
/// The result is cached in the home until files of a driver change, so that a call takes microseconds.
pub fn detect_accelerator(home: &Home) -> Detected {
    match accelerator_in_env() {
        Ok(Some(accelerator)) => {
            return Detected { accelerator, reason: "BEEP_PYTHON_ACCELERATOR says so".into() };
        }
        Err(mistake) => tracing::warn!("ignored: {mistake}"),
        Ok(None) => {}
    }
    let root = Path::new("/");
    let files = stamps(root);
    let file = home.cache().ok().map(|cache| cache.join("accelerator.json"));
    let kept = file.as_ref().and_then(|file| serde_json::from_slice::<CachedDetection>(&fs::read(file).ok()?).ok());
    if let Some(kept) = kept.filter(|kept| kept.files == files) {
        return kept.detected;
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let detected = detect_in(root, &std::env::split_paths(&folders).collect::<Vec<_>>());
    if let Some(file) = file {
        // Without a cache, it is detected again.
        let _ = replace_file(
            file,
            &serde_json::to_vec(&CachedDetection { files, detected: detected.clone() }).unwrap_or_default(),
        );
    }
    detected
}

fn stamps(root: &Path) -> Vec<Option<(i64, u64)>> {
    let stamp = |path: &&str| {
        let metadata = fs::metadata(root.join(path)).ok()?;
        // The modification time of a kernel's virtual file means nothing.
        Some(if metadata.is_dir() { (metadata.mtime(), metadata.ino()) } else { (0, metadata.rdev()) })
    };
    DRIVER_FILES.iter().map(stamp).collect()
}

/// Detects by the files below `root`, with programs in the folders `path`.
fn detect_in(root: &Path, path: &[PathBuf]) -> Detected {
    let found = nvidia(root, path)
        .map(|reason| (Accelerator::Cuda, reason))
        .or_else(|| amd(root, path).map(|reason| (Accelerator::Rocm, reason)))
        .or_else(|| vulkan(root).map(|reason| (Accelerator::Vulkan, reason)));
    let (accelerator, reason) = found.unwrap_or((Accelerator::Cpu, "no driver of an accelerator was found".into()));
    Detected { accelerator, reason }
}

/// NVIDIA: the driver's files, and `nvidia-smi` naming a device. A container may lack that program.
fn nvidia(root: &Path, path: &[PathBuf]) -> Option<String> {
    let driver = ["proc/driver/nvidia/version", "dev/nvidiactl", "dev/dxg"];
    let driver = driver.iter().map(|file| root.join(file)).find(|file| file.exists())?;
    let program = program(root, path, "nvidia-smi", &["usr/bin", "usr/lib/wsl/lib"]);
    match program {
        Some(program) => {
            let said = run_command(Command::new(&program).arg("-L"), TIMEOUT).ok()?;
            let said = String::from_utf8_lossy(&said);
            let device = said.lines().find(|line| line.starts_with("GPU "))?;
            Some(format!("nvidia-smi names {}", device.split(" (UUID").next().unwrap_or(device)))
        }
        None => {
            let device = root.join("dev/nvidia0");
            device.exists().then(|| format!("{} and {} are there", driver.display(), device.display()))
        }
    }
}

/// AMD: the kernel driver with a compute device, and ROCm.
fn amd(root: &Path, path: &[PathBuf]) -> Option<String> {
    if !root.join("dev/kfd").exists() {
        return None;
    }
    let nodes = fs::read_dir(root.join("sys/class/kfd/kfd/topology/nodes")).ok()?.flatten();
    // The processor is a node too, with id 0.
    let is_device = |node: &fs::DirEntry| {
        fs::read_to_string(node.path().join("gpu_id")).is_ok_and(|id| !matches!(id.trim(), "" | "0"))
    };
    let devices = nodes.filter(is_device).count();
    let rocm = root.join("opt/rocm");
    let rocm =
        rocm.exists().then_some(rocm).or_else(|| program(root, path, "rocminfo", &["usr/bin", "opt/rocm/bin"]))?;
    (devices > 0).then(|| format!("{} and {devices} device(s) of amdgpu are there", rocm.display()))
}

/// Vulkan: a driver other than the software renderer, and a render device.
fn vulkan(root: &Path) -> Option<String> {
    let devices = fs::read_dir(root.join("dev/dri")).ok()?.flatten();
    devices.into_iter().find(|device| device.file_name().to_string_lossy().starts_with("renderD"))?;
    let folders = ["usr/share/vulkan/icd.d", "etc/vulkan/icd.d", "usr/local/share/vulkan/icd.d"];
    let drivers = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).into_iter().flatten().flatten());
    let mut names: Vec<String> = drivers.filter_map(|driver| driver.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".json") && !name.starts_with("lvp_"));
    names.sort();
    Some(format!("the Vulkan driver {} is there", names.first()?))
}

fn program(root: &Path, path: &[PathBuf], name: &str, usual: &[&str]) -> Option<PathBuf> {
    let folders = path.iter().cloned().chain(usual.iter().map(|folder| root.join(folder)));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A machine with these files. The text after `=` becomes the file's content.
    fn machine(files: &[&str]) -> (tempfile::TempDir, Detected) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let (file, content) = file.split_once('=').unwrap_or((file, ""));
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let detected = detect_in(folder.path(), &[folder.path().join("usr/bin")]);
        (folder, detected)
    }

    #[test]
    fn each_is_told_from_its_driver() {
        let smi = "usr/bin/nvidia-smi=#!/bin/sh\necho 'GPU 0: Some Name (UUID: GPU-1)'\n";
        let broken = "usr/bin/nvidia-smi=#!/bin/sh\necho 'NVIDIA-SMI has failed' >&2; exit 9\n";
        let node = "sys/class/kfd/kfd/topology/nodes/1/gpu_id=51234\n";
        for (files, expected) in [
            (vec![], Accelerator::Cpu),
            (vec![smi], Accelerator::Cpu),
            (vec!["proc/driver/nvidia/version", smi], Accelerator::Cuda),
            (vec!["dev/dxg", smi], Accelerator::Cuda),
            (vec!["proc/driver/nvidia/version", "dev/nvidia0"], Accelerator::Cuda),
            (vec!["proc/driver/nvidia/version"], Accelerator::Cpu),
            (vec!["proc/driver/nvidia/version", "dev/nvidia0", broken], Accelerator::Cpu),
            (vec!["dev/kfd", "opt/rocm/bin/x", node], Accelerator::Rocm),
            (vec!["dev/kfd", "usr/bin/rocminfo", node], Accelerator::Rocm),
            (vec!["dev/kfd", node], Accelerator::Cpu),
            (vec!["dev/kfd", "opt/rocm/x", "sys/class/kfd/kfd/topology/nodes/0/gpu_id=0\n"], Accelerator::Cpu),
            (vec!["dev/dri/renderD128", "usr/share/vulkan/icd.d/radeon_icd.json"], Accelerator::Vulkan),
            (vec!["dev/dri/renderD128", "usr/share/vulkan/icd.d/lvp_icd.json"], Accelerator::Cpu),
            (vec!["usr/share/vulkan/icd.d/radeon_icd.json"], Accelerator::Cpu),
        ] {
            let (_folder, detected) = machine(&files);
            assert_eq!(detected.accelerator, expected, "{files:?}: {}", detected.reason);
            assert!(!detected.reason.is_empty());
        }
    }

    #[test]
    fn a_driver_that_comes_is_noticed() {
        let (folder, _) = machine(&["dev/dri/card0"]);
        let before = stamps(folder.path());
        assert_eq!(stamps(folder.path()), before);
        fs::create_dir_all(folder.path().join("opt/rocm")).unwrap();
        assert_ne!(stamps(folder.path()), before);
    }
}
