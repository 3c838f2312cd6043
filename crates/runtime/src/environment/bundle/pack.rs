//! Reading and writing bundles, with the hashes of their files.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Archive, Builder, Header, HeaderMode};

use super::error::BundleError;
use super::manifest::{BundleFile, BundleManifest, MANIFEST};
use crate::platform::failed_to;

/// The maximum size of a manifest, in bytes.
const MANIFEST_BYTES: u64 = 16 << 20;

/// Packs an installed runtime into an `install_only` archive. Leaves out compiled modules, which Python makes again.
pub(super) fn pack_runtime(installation: &Path, into: &Path) -> Result<(), BundleError> {
    let file = File::create(into).map_err(failed_to("write", into))?;
    // A runtime is mostly text and code: better compression would gain little.
    let mut tar = Builder::new(GzEncoder::new(io::BufWriter::new(file), Compression::fast()));
    tar.follow_symlinks(false);
    tar.mode(HeaderMode::Deterministic);
    pack_folder(&mut tar, installation, Path::new("python")).map_err(failed_to("pack", installation))?;
    let finish = || tar.into_inner()?.finish()?.flush();
    Ok(finish().map_err(failed_to("write", into))?)
}

fn pack_folder(tar: &mut Builder<impl Write>, folder: &Path, place: &Path) -> io::Result<()> {
    tar.append_dir(place, folder)?;
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        // The record belongs to this home, and compiled modules depend on the files' modification times.
        if name == "__pycache__" || (place == Path::new("python") && name == "beep-python.json") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            pack_folder(tar, &path, &place.join(name))?;
        } else {
            tar.append_path_with_name(&path, place.join(name))?;
        }
    }
    Ok(())
}

/// A file's name, hash and size.
pub(super) fn describe(path: &Path) -> Result<BundleFile, BundleError> {
    let mut file = File::open(path).map_err(failed_to("read", path))?;
    let mut hash = Sha256::new();
    let size = io::copy(&mut file, &mut hash).map_err(failed_to("read", path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(BundleFile { name, sha256: hexadecimal(hash), size })
}

/// Writes a bundle of these files, which are in `folder`.
pub(super) fn write(manifest: &BundleManifest, folder: &Path, into: &Path) -> Result<(), BundleError> {
    let write = || -> io::Result<()> {
        let mut tar = Builder::new(io::BufWriter::new(File::create(into)?));
        let json = serde_json::to_vec_pretty(manifest)?;
        tar.append_data(&mut header(json.len() as u64), MANIFEST, &json[..])?;
        for file in manifest.files() {
            let content = File::open(folder.join(&file.name))?;
            tar.append_data(&mut header(file.size), &file.name, content.take(file.size))?;
        }
        let mut writer = tar.into_inner()?;
        writer.flush()?;
        writer.get_ref().sync_data()
    };
    Ok(write().map_err(failed_to("write", into))?)
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header
}

/// Reads the manifest of a bundle. With `folder`, also unpacks its files there and verifies their hashes.
pub(super) fn unpack(bundle: &Path, folder: Option<&Path>) -> Result<BundleManifest, BundleError> {
    let no = |reason: String| BundleError::NotABundle { path: bundle.to_owned(), reason };
    let broken = |error: io::Error| no(format!("it cannot be read: {error}"));
    let file = File::open(bundle).map_err(failed_to("read", bundle))?;
    let mut tar = Archive::new(BufReader::with_capacity(1 << 18, file));
    let mut entries = tar.entries().map_err(broken)?;
    let first = entries.next().ok_or_else(|| no("it is empty".into()))?.map_err(broken)?;
    if first.path_bytes() != MANIFEST.as_bytes() || first.size() > MANIFEST_BYTES {
        return Err(no(format!("it does not begin with {MANIFEST}")));
    }
    let manifest: BundleManifest =
        serde_json::from_reader(first).map_err(|error| no(format!("its {MANIFEST} cannot be read: {error}")))?;
    if let Some(mistake) = manifest.mistake() {
        return Err(no(mistake));
    }
    let Some(folder) = folder else { return Ok(manifest) };
    for file in manifest.files() {
        let mut entry = match entries.next() {
            Some(entry) => entry.map_err(broken)?,
            None => return Err(no(format!("{} is missing in it", file.name))),
        };
        if entry.path_bytes() != file.name.as_bytes() || entry.size() != file.size {
            return Err(no(format!("where {} should be is something else", file.name)));
        }
        let path = folder.join(&file.name);
        let (actual, size) = copy(&mut entry, &path, broken)?;
        if size != file.size {
            return Err(no(format!("it ends in the middle of {}", file.name)));
        }
        if !actual.eq_ignore_ascii_case(&file.sha256) {
            let what = format!("{} in {}", file.name, bundle.display());
            return Err(BundleError::WrongHash { what, expected: file.sha256.clone(), actual });
        }
    }
    Ok(manifest)
}

fn copy(
    from: &mut impl Read,
    path: &Path,
    broken: impl Fn(io::Error) -> BundleError,
) -> Result<(String, u64), BundleError> {
    let mut size = 0;
    let mut file = File::create_new(path).map_err(failed_to("write", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer).map_err(&broken)? {
            0 => return Ok((hexadecimal(hash), size)),
            count => {
                size += count as u64;
                hash.update(&buffer[..count]);
                file.write_all(&buffer[..count]).map_err(failed_to("write", path))?;
            }
        }
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
