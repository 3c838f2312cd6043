//! The platform of a Python build.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The platform of a Python build, written `linux-x86_64-gnu`. Parsing accepts `x86_64-unknown-linux-gnu` too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Platform {
    /// `linux`
    pub os: String,
    /// `x86_64`, `aarch64`
    pub arch: String,
    /// The C library: `gnu` or `musl`; `none` on systems with only one.
    pub libc: String,
}

impl Platform {
    /// This machine's platform. The C library is the machine's, not the one this program was built with.
    pub fn host() -> Platform {
        let arch = std::env::consts::ARCH;
        let os = std::env::consts::OS;
        let libc = match os {
            "linux" if glibc_loaders(arch).iter().any(|loader| Path::new(loader).exists()) => "gnu",
            "linux" => "musl",
            _ => "none",
        };
        Platform { os: os.into(), arch: arch.into(), libc: libc.into() }
    }
}

fn glibc_loaders(arch: &str) -> &'static [&'static str] {
    match arch {
        "x86_64" => &["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-x86-64.so.2"],
        "aarch64" => &["/lib/ld-linux-aarch64.so.1", "/lib64/ld-linux-aarch64.so.1"],
        _ => &["/lib/ld-linux.so.2", "/lib64/ld64.so.1", "/lib/ld-linux-riscv64-lp64d.so.1"],
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.os, self.arch, self.libc)
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Platform, String> {
        match text.split('-').collect::<Vec<_>>()[..] {
            [arch, "unknown" | "pc", "linux", libc @ ("gnu" | "musl")] => {
                Ok(Platform { os: "linux".into(), arch: arch.into(), libc: libc.into() })
            }
            [os, arch, libc] if ![os, arch, libc].contains(&"") => {
                Ok(Platform { os: os.into(), arch: arch.into(), libc: libc.into() })
            }
            _ => Err(format!("\"{text}\" is not a platform such as linux-x86_64-gnu")),
        }
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> String {
        platform.to_string()
    }
}

impl TryFrom<String> for Platform {
    type Error = String;

    fn try_from(text: String) -> Result<Platform, String> {
        text.parse()
    }
}
