//! Packing a Python of this machine into an `install_only` archive.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use beep_python_runtime::interpreter::{Interpreter, Platform, Version};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

/// Where the packed Python finds its shared library.
const OWN_LIBRARY: &[u8] = b"$ORIGIN/../lib";
/// Large, and not needed to run Python.
const LEFT_OUT: [&str; 8] =
    ["__pycache__", "dist-packages", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tkinter"];

/// A packed Python.
pub struct Packed {
    /// The archive.
    pub bytes: Arc<Vec<u8>>,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// The version of its Python.
    pub version: Version,
    /// Whether its Python loads a shared library of its own.
    pub shared: bool,
}

impl Packed {
    /// The file name of the archive, as a URL has it.
    pub fn url_name(&self) -> String {
        self.file_name().replace('+', "%2B")
    }

    /// The file name of the archive.
    pub fn file_name(&self) -> String {
        format!("cpython-{}+20260101-{}-install_only_stripped.tar.gz", self.version, Platform::host())
    }

    /// The id of the runtime installed from it.
    pub fn id(&self) -> String {
        format!("cpython-{}-{}", self.version, Platform::host())
    }

    /// Writes a catalogue with this archive below `base`; returns the catalogue's path.
    pub fn catalogue(&self, folder: &Path, base: &str) -> String {
        self.catalogue_with(folder, base, &self.sha256)
    }

    /// Does the same with a given hash.
    pub fn catalogue_with(&self, folder: &Path, base: &str, sha256: &str) -> String {
        let path = folder.join("catalogue.json");
        let json = serde_json::json!({"default": self.version.series(), "releases": [{
            "name": self.id(), "version": self.version, "platform": Platform::host(), "sha256": sha256,
            "url": format!("{base}/download/20260101/{}", self.url_name()),
        }]});
        fs::write(&path, json.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes the archive into `folder`; returns its path.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join(self.file_name());
        fs::write(&path, &**self.bytes()).unwrap();
        path
    }

    fn bytes(&self) -> &Arc<Vec<u8>> {
        &self.bytes
    }
}

/// The archive, packed once in each test program.
pub fn packed() -> &'static Packed {
    static PACKED: OnceLock<Packed> = OnceLock::new();
    PACKED.get_or_init(|| {
        // One with a shared library shows whether its own is loaded; an old one is small.
        let pythons = super::pythons().iter().filter(|python| !python.free_threaded);
        pack(pythons.max_by_key(|python| (library(python).is_some(), std::cmp::Reverse(python.version))).unwrap())
    })
}

/// An archive of a Python that has pip and can build packages with C sources, as it would come from another machine:
/// its sysconfig names the prefix `/install` and a clang that no machine has. `None` without such a Python or a
/// compiler.
pub fn packed_elsewhere() -> Option<&'static Packed> {
    static PACKED: OnceLock<Option<Packed>> = OnceLock::new();
    let packed = PACKED.get_or_init(|| {
        let found = super::pythons().iter().filter(|python| !python.free_threaded).rfind(|python| {
            let bundled = fs::read_dir(python.stdlib.join("ensurepip/_bundled")).into_iter().flatten().flatten();
            let setuptools = bundled.into_iter().any(|e| e.file_name().to_string_lossy().starts_with("setuptools-"));
            setuptools && python.prefix.join("include").join(python.name()).join("Python.h").is_file()
        })?;
        std::process::Command::new("cc").arg("--version").output().ok()?;
        Some(pack_for(found, Kind::BuiltElsewhere))
    });
    packed.as_ref()
}

/// The purpose of an archive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// To run Python.
    Small,
    /// To build and install packages.
    BuiltElsewhere,
}

fn pack(python: &Interpreter) -> Packed {
    pack_for(python, Kind::Small)
}

fn pack_for(python: &Interpreter, kind: Kind) -> Packed {
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let name = python.name();
    let executable = rewritten(python);
    add(&mut tar, &format!("python/bin/{name}"), 0o755, &executable);
    link(&mut tar, "python/bin/python3", &name);
    link(&mut tar, "python/bin/python", &name);
    if let Some(library) = library(python) {
        let file_name = library.file_name().unwrap().to_str().unwrap();
        add(&mut tar, &format!("python/lib/{file_name}"), 0o755, &fs::read(&library).unwrap());
    }
    add_folder(&mut tar, &python.stdlib, &format!("python/lib/{name}"), kind);
    if kind == Kind::BuiltElsewhere {
        add_folder(&mut tar, &python.prefix.join("include"), "python/include", kind);
        let prefix = python.prefix.to_str().unwrap();
        for entry in fs::read_dir(&python.stdlib).unwrap().flatten() {
            let file_name = entry.file_name().into_string().unwrap();
            if file_name.starts_with("_sysconfigdata") {
                let text = fs::read_to_string(entry.path()).unwrap().replace(prefix, "/install");
                let text = text.replace("'gcc", "'/tools/llvm/bin/clang -fdebug-default-version=4");
                add(&mut tar, &format!("python/lib/{name}/{file_name}"), 0o644, text.as_bytes());
            }
        }
    }
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Packed { bytes: Arc::new(bytes), sha256, version: python.version, shared: library(python).is_some() }
}

/// The shared library that the executable loads, unless it is linked statically.
fn library(python: &Interpreter) -> Option<PathBuf> {
    let executable = fs::read(&python.path).unwrap();
    let entries = fs::read_dir(python.prefix.join("lib")).ok()?.flatten();
    entries.map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(&format!("lib{}", python.name()))
            && !find(&executable, format!("\0{name}\0").as_bytes()).is_empty()
    })
}

/// The executable, with the search path of its library rewritten in place.
fn rewritten(python: &Interpreter) -> Vec<u8> {
    let mut executable = fs::read(&python.path).unwrap();
    if library(python).is_some() {
        let old = format!("\0{}\0", python.prefix.join("lib").display()).into_bytes();
        assert!(old.len() >= OWN_LIBRARY.len() + 2, "no room for a new RUNPATH in {}", python.path.display());
        let places = find(&executable, &old);
        assert!(!places.is_empty(), "{} has no RUNPATH", python.path.display());
        for place in places {
            let text = &mut executable[place + 1..place + old.len()];
            text.fill(0);
            text[..OWN_LIBRARY.len()].copy_from_slice(OWN_LIBRARY);
        }
    }
    executable
}

fn find(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(zero) = haystack[from..].iter().position(|byte| *byte == needle[0]) {
        if haystack[from + zero..].starts_with(needle) {
            found.push(from + zero);
        }
        from += zero + 1;
    }
    found
}

fn add_folder(tar: &mut Builder<impl io::Write>, folder: &Path, name: &str, kind: Kind) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let file_name = entry.file_name().into_string().unwrap();
        let (path, name) = (entry.path(), format!("{name}/{file_name}"));
        let left_out = match kind {
            Kind::Small => file_name == "ensurepip",
            Kind::BuiltElsewhere => file_name.starts_with("_sysconfigdata"),
        };
        if left_out || LEFT_OUT.contains(&file_name.as_str()) || file_name.starts_with("config-") {
            continue;
        }
        if path.is_dir() {
            add_folder(tar, &path, &name, kind);
        } else if path.is_file() {
            tar.append_file(&name, &mut File::open(&path).unwrap()).unwrap();
        }
    }
}

fn add(tar: &mut Builder<impl io::Write>, name: &str, mode: u32, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(1_700_000_000);
    tar.append_data(&mut header, name, content).unwrap();
}

fn link(tar: &mut Builder<impl io::Write>, name: &str, target: &str) {
    let mut header = Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    tar.append_link(&mut header, name, target).unwrap();
}
