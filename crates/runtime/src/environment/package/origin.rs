//! Where a package came from that came from no index (PEP 610).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use reqwest::Url;
use serde::{Deserialize, Serialize};

/// Where a package came from, as a requirement has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::environment) struct Origin {
    /// `git+https://host/repo@commit#subdirectory=x`, `file:///folder`, `https://host/x.whl#sha256=…`
    pub(super) url: String,
    /// Whether the package is used where it lies.
    #[serde(default)]
    pub(super) editable: bool,
}

/// How a URL that is asked for compares with the one that a package came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Same,
    /// The same place, but what is there can have changed since: a folder, a file, a branch.
    Movable,
    Different,
}

/// The file `direct_url.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DirectUrl {
    url: String,
    subdirectory: Option<String>,
    vcs_info: Option<VcsInfo>,
    archive_info: Option<ArchiveInfo>,
    dir_info: Option<DirInfo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VcsInfo {
    vcs: String,
    commit_id: String,
    requested_revision: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ArchiveInfo {
    hashes: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DirInfo {
    editable: bool,
}

impl Origin {
    /// The origin of the package of the `dist-info` folder `folder`; `None` for a package of an index.
    pub(super) fn read(folder: &Path) -> Option<Origin> {
        DirectUrl::read(folder).map(|direct| direct.origin())
    }
}

/// Compares a URL that is asked for with that of the package of the `dist-info` folder `folder`.
pub(super) fn compare(folder: &Path, wanted: &Url, editable: bool) -> Comparison {
    DirectUrl::read(folder).map_or(Comparison::Different, |direct| direct.compare(wanted, editable))
}

impl DirectUrl {
    fn read(folder: &Path) -> Option<DirectUrl> {
        let direct: DirectUrl = serde_json::from_slice(&fs::read(folder.join("direct_url.json")).ok()?).ok()?;
        (!direct.url.is_empty()).then_some(direct)
    }

    fn origin(&self) -> Origin {
        let mut url = match &self.vcs_info {
            Some(vcs) => format!("{}+{}@{}", vcs.vcs, self.url, vcs.commit_id),
            None => self.url.clone(),
        };
        match (&self.subdirectory, self.archive_info.as_ref().and_then(|archive| archive.hashes.get("sha256"))) {
            (Some(subdirectory), _) if !url.contains('#') => url.push_str(&format!("#subdirectory={subdirectory}")),
            // With the hash that was verified at the time.
            (_, Some(hash)) if !url.contains('#') => url.push_str(&format!("#sha256={hash}")),
            _ => {}
        }
        Origin { url, editable: self.is_editable() }
    }

    fn is_editable(&self) -> bool {
        self.dir_info.as_ref().is_some_and(|folder| folder.editable)
    }

    fn compare(&self, wanted: &Url, editable: bool) -> Comparison {
        let wanted = Parts::of(wanted.as_str(), false);
        let own = Parts::of(&self.url, self.vcs_info.is_some());
        let is_vcs = |vcs: &VcsInfo| wanted.vcs.as_ref() == Some(&vcs.vcs);
        let subdirectory = self.subdirectory.clone().or_else(|| own.subdirectory.clone()).map(|path| trimmed(&path));
        let same = own.place == wanted.place
            && subdirectory == wanted.subdirectory
            && editable == self.is_editable()
            && self.vcs_info.as_ref().map_or(wanted.vcs.is_none(), is_vcs);
        if !same {
            return Comparison::Different;
        }
        if let Some(vcs) = &self.vcs_info {
            return match &wanted.revision {
                Some(revision) if is_commit(revision, &vcs.commit_id) => Comparison::Same,
                revision if *revision == vcs.requested_revision => Comparison::Movable,
                _ => Comparison::Different,
            };
        }
        let hashes = self.archive_info.as_ref().map(|archive| &archive.hashes);
        let hash_of = |name: &String| hashes.and_then(|hashes| hashes.get(name)).or_else(|| own.hashes.get(name));
        if wanted.hashes.iter().any(|(name, hash)| hash_of(name).is_some_and(|own| !own.eq_ignore_ascii_case(hash))) {
            return Comparison::Different;
        }
        match own.place.starts_with("file:") && wanted.hashes.is_empty() {
            true => Comparison::Movable,
            false => Comparison::Same,
        }
    }
}

/// Whether a revision names this commit: whole, or by its first digits.
fn is_commit(revision: &str, commit: &str) -> bool {
    let is_number = revision.len() >= 7 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number && commit.to_ascii_lowercase().starts_with(&revision.to_ascii_lowercase())
}

/// The parts of a URL that count, whatever way they are written.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    vcs: Option<String>,
    /// Scheme, host and path, without credentials, escapes and slashes at the end.
    place: String,
    revision: Option<String>,
    subdirectory: Option<String>,
    hashes: BTreeMap<String, String>,
}

impl Parts {
    /// A repository's URL has `git+` before it in a requirement only.
    fn of(text: &str, is_repository: bool) -> Parts {
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let schemes = ["git", "hg", "svn", "bzr"];
        let vcs = before.split_once('+').filter(|(vcs, rest)| schemes.contains(vcs) && rest.contains("://"));
        let (vcs, mut address) = vcs.map_or((None, before), |(vcs, rest)| (Some(vcs.to_owned()), rest));
        let mut revision = None;
        if vcs.is_some()
            && let Some((rest, after)) = address.rsplit_once('@')
            // Before the path stands a user's name.
            && rest.splitn(4, '/').count() == 4
        {
            (address, revision) = (rest, Some(after.to_owned()));
        }
        let mut parts =
            Parts { place: place(address, is_repository || vcs.is_some()), vcs, revision, ..Parts::default() };
        for (key, value) in fragment.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "subdirectory" => parts.subdirectory = Some(trimmed(value)).filter(|path| !path.is_empty()),
                "sha256" | "sha384" | "sha512" | "sha1" | "md5" => {
                    parts.hashes.insert(key.to_owned(), value.to_owned());
                }
                _ => {}
            }
        }
        parts
    }
}

fn trimmed(path: &str) -> String {
    unescaped(path).trim_matches('/').to_owned()
}

fn place(address: &str, is_vcs: bool) -> String {
    let Ok(url) = Url::parse(address) else { return address.to_owned() };
    let host = url.host_str().filter(|host| url.scheme() != "file" || *host != "localhost").unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = unescaped(url.path());
    let path = path.trim_end_matches('/');
    let path = if is_vcs { path.trim_end_matches(".git") } else { path };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}://{}{port}{path}{query}", url.scheme(), host.to_lowercase())
}

/// The text without percent escapes.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let value = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_url_is_compared_by_what_it_means() {
        use Comparison::{Different, Movable, Same};
        let vcs = |url: &str, more: &str| {
            format!("{{\"url\": \"{url}\", \"vcs_info\": {{\"vcs\": \"git\", \"commit_id\": \"{COMMIT}\"{more}}}}}")
        };
        let git = vcs("https://host/a.git", "");
        let main = vcs("https://host/a", ", \"requested_revision\": \"main\"");
        let sub = format!("{}, \"subdirectory\": \"s/t\"}}", git.strip_suffix('}').unwrap());
        let folder = "{\"url\": \"file:///w/a%20b\", \"dir_info\": {}}";
        let wheel = "{\"url\": \"https://host/a.whl\", \"archive_info\": {\"hashes\": {\"sha256\": \"AA\"}}}";
        let editable = "{\"url\": \"file:///w/a\", \"dir_info\": {\"editable\": true}}";
        for (direct, wanted, expected) in [
            (git.as_str(), "git+https://host/a.git", Movable),
            (&git, "git+https://user:word@HOST/a", Movable),
            (&git, &format!("git+https://host/a.git@{COMMIT}"), Same),
            (&git, "git+https://host/a.git@0123456", Same),
            (&git, "git+https://host/a.git@main", Different),
            (&git, "git+https://host/b.git", Different),
            (&git, "git+https://host/a.git#subdirectory=s", Different),
            (&git, "git+https://host/a.git#egg=a", Movable),
            (&git, "https://host/a.git", Different),
            (&main, "git+https://git@host/a.git@main", Movable),
            (&main, "git+https://host/a.git", Different),
            (&sub, "git+https://host/a.git#egg=x&subdirectory=s/t/", Movable),
            (&sub, "git+https://host/a.git", Different),
            (folder, "file:///w/a%20b/", Movable),
            (folder, "file://localhost/w/a b", Movable),
            (folder, "file:///w/a", Different),
            (wheel, "https://user:word@host:443/a.whl", Same),
            (wheel, "https://host/a.whl#sha256=aa", Same),
            (wheel, "https://host/a.whl#sha256=bb", Different),
            (wheel, "https://host/%61.whl#md5=cc", Same),
            (wheel, "https://host/a.whl?x=1", Different),
            (editable, "file:///w/a", Different),
        ] {
            let parsed: DirectUrl = serde_json::from_str(direct).unwrap();
            assert_eq!(parsed.compare(&wanted.parse().unwrap(), false), expected, "{direct} {wanted}");
        }
        let parsed: DirectUrl = serde_json::from_str(editable).unwrap();
        assert_eq!(parsed.compare(&"file:///w/a".parse().unwrap(), true), Movable);
        assert_eq!(parsed.origin(), Origin { url: "file:///w/a".into(), editable: true });
        let parsed: DirectUrl = serde_json::from_str(&sub).unwrap();
        assert_eq!(parsed.origin().url, format!("git+https://host/a.git@{COMMIT}#subdirectory=s/t"));
    }
}
