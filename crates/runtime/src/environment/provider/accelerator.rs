//! What this machine can compute with.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// What a provider's packages are built to compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// NVIDIA's CUDA.
    Cuda,
    /// AMD's ROCm.
    Rocm,
    /// Vulkan; never detected, only asked for.
    Vulkan,
    /// The processor alone.
    Cpu,
}

impl Accelerator {
    /// `BEEP_PYTHON_ACCELERATOR` (`cuda`, `rocm`, `vulkan`, `cpu`), else what the files of the drivers tell. Takes
    /// microseconds.
    pub fn detect() -> Accelerator {
        let named = std::env::var("BEEP_PYTHON_ACCELERATOR").ok();
        match named.as_deref().map(str::trim) {
            Some("cuda") => Accelerator::Cuda,
            Some("rocm") => Accelerator::Rocm,
            Some("vulkan") => Accelerator::Vulkan,
            Some("cpu") => Accelerator::Cpu,
            _ if Path::new("/proc/driver/nvidia/version").exists() => Accelerator::Cuda,
            _ if Path::new("/dev/kfd").exists() && Path::new("/opt/rocm").exists() => Accelerator::Rocm,
            _ => Accelerator::Cpu,
        }
    }
}
