//! Parsing the tools' output for progress, which they report in no other way.

use super::progress::{PackageProgress, PackageStage, ProgressSink};

/// pip's words for a rejected certificate.
pub(super) const UNTRUSTED_CERTIFICATE: &str = "There was a problem confirming the ssl certificate: ";

/// Parses a tool's output, line by line, and reports progress.
pub(super) struct ToolOutputParser<'a> {
    sink: &'a ProgressSink,
    is_pip: bool,
    /// The package being downloaded: pip reports bytes without its name.
    current: Option<String>,
    /// The tool's warnings.
    pub(super) warnings: Vec<String>,
    /// Whether the line before was part of the last one.
    in_warning: bool,
    /// The line about a server whose certificate was rejected. pip writes it to standard output.
    pub(super) untrusted: Option<String>,
}

impl<'a> ToolOutputParser<'a> {
    pub(super) fn new(sink: &'a ProgressSink, tool: &str) -> ToolOutputParser<'a> {
        ToolOutputParser {
            sink,
            is_pip: tool == "pip",
            current: None,
            warnings: Vec::new(),
            in_warning: false,
            untrusted: None,
        }
    }

    pub(super) fn feed_line(&mut self, line: &str) {
        self.note_warning(line);
        let line = line.trim();
        if self.is_pip && line.contains(UNTRUSTED_CERTIFICATE) {
            self.untrusted = Some(line.to_owned());
        }
        let reports = if self.is_pip { self.pip(line) } else { uv(line) };
        reports.iter().for_each(|progress| self.sink.report(progress));
    }

    fn note_warning(&mut self, line: &str) {
        let text = line.trim();
        // What the tools print below a warning belongs to it.
        let continues =
            if self.is_pip { text.starts_with("Reason for being yanked: ") } else { line.starts_with("         ") };
        if let (true, true, Some(warning)) = (continues, self.in_warning, self.warnings.last_mut()) {
            return warning.extend([" ", text]);
        }
        self.in_warning = false;
        let Some(warning) = text.strip_prefix(if self.is_pip { "WARNING: " } else { "warning: " }) else { return };
        // Connections that are tried again are told where all tries fail; where files lie, and which option of uv reads a
        // lock, is not the user's choice.
        let of_ours = [
            "Retrying (",
            "Failed to hardlink files",
            "Failed to clone files",
            "The `--pylock` option is experimental",
        ];
        let is_of_ours = of_ours.iter().any(|words| warning.starts_with(words));
        if !is_of_ours && !self.warnings.iter().any(|known| known == warning) {
            self.warnings.push(warning.to_owned());
            self.in_warning = true;
        }
    }

    fn pip(&mut self, line: &str) -> Vec<PackageProgress> {
        let one = |stage, package| vec![PackageProgress::of(stage, Some(package))];
        if let Some(rest) = line.strip_prefix("Collecting ") {
            return one(PackageStage::Resolving, name_in(rest));
        }
        if let Some(rest) = line.strip_prefix("Downloading ") {
            let (file, size) = rest.split_once(" (").unwrap_or((rest, ""));
            let file = file.rsplit('/').next().unwrap_or(file);
            if file.ends_with(".metadata") {
                self.current = None;
                return Vec::new();
            }
            let name = file.split('-').next().unwrap_or(file).to_owned();
            let mut progress = PackageProgress::of(PackageStage::Downloading, Some(&name));
            progress.total_bytes = bytes(size.trim_end_matches(')'));
            self.current = Some(name);
            return vec![progress];
        }
        if let (Some(rest), Some(package)) = (line.strip_prefix("Progress "), &self.current) {
            let mut progress = PackageProgress::of(PackageStage::Downloading, Some(package));
            let (received, total) = rest.split_once(" of ").unwrap_or((rest, ""));
            (progress.received_bytes, progress.total_bytes) = (received.parse().ok(), total.parse().ok());
            return vec![progress];
        }
        if let Some(rest) = line.strip_prefix("Building wheel for ").filter(|rest| rest.ends_with(": started")) {
            return one(PackageStage::Building, name_in(rest));
        }
        let installing = line.strip_prefix("Installing collected packages: ").into_iter();
        let names = installing.flat_map(|names| names.split(", "));
        names.map(|name| PackageProgress::of(PackageStage::Installing, Some(name))).collect()
    }
}

fn uv(line: &str) -> Vec<PackageProgress> {
    let of = |stage, package: &str| PackageProgress::of(stage, Some(name_in(package)));
    let mut words = line.split_whitespace();
    let reports = match (words.next(), words.next(), words.next()) {
        (Some("Downloading"), Some(package), size) => PackageProgress {
            total_bytes: size.and_then(|size| bytes(size.trim_matches(['(', ')']))),
            ..of(PackageStage::Downloading, package)
        },
        (Some("Downloaded"), Some(package), None) => of(PackageStage::Downloading, package),
        (Some("Building"), Some(package), _) => of(PackageStage::Building, package),
        (Some("Prepared"), Some(_), Some(_)) => PackageProgress::of(PackageStage::Installing, None),
        (Some("+" | "~"), Some(package), _) => of(PackageStage::Installing, package),
        _ => return Vec::new(),
    };
    vec![reports]
}

/// The name at the beginning of a requirement; of a URL without a name, that of its folder or file.
fn name_in(text: &str) -> &str {
    let text = match text.split_once("://") {
        Some((scheme, path)) if scheme.chars().all(|c| c.is_alphanumeric() || c == '+') => {
            path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
        }
        _ => text,
    };
    let end = text.find(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.')).unwrap_or(text.len());
    &text[..end]
}

/// The bytes of `15.0MiB`, `15.7 MB` or `25 kB`.
fn bytes(size: &str) -> Option<u64> {
    let end = size.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let unit = match size[end..].trim() {
        "B" | "bytes" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return None,
    };
    Some((size[..end].parse::<f64>().ok()? * unit) as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn reports(tool: &str, text: &str) -> Vec<String> {
        let all: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = Arc::clone(&all);
        let sink = ProgressSink::new(move |progress| {
            let number = |of: Option<u64>| of.map_or(String::new(), |number| format!(" {number}"));
            let (received, total) = (number(progress.received_bytes), number(progress.total_bytes));
            into.lock().unwrap().push(format!("{progress}{received}{total}"));
        });
        let mut parser = ToolOutputParser::new(&sink, tool);
        text.lines().for_each(|line| parser.feed_line(line));
        all.lock().unwrap().clone()
    }

    #[test]
    fn what_uv_writes_is_understood() {
        let text = "Using Python 3.12.1 environment at: e1\nResolved 2 packages in 288ms\nDownloading numpy (15.0MiB)\n   \
            Building docopt==0.6.2\n      Built docopt==0.6.2\n   Building file:///a/mine/\n Downloaded numpy\nPrepared 2 packages in 965ms\n\
            Installed 2 packages in 43ms\n + docopt==0.6.2\n - numpy==2.0\n + numpy==2.5.5\n";
        let expected = [
            "downloading numpy 15728640",
            "building docopt",
            "building mine",
            "downloading numpy",
            "installing",
            "installing docopt",
            "installing numpy",
        ];
        assert_eq!(reports("uv", text), expected);
    }

    #[test]
    fn warnings_are_kept_once_with_what_belongs_to_them() {
        let sink = ProgressSink::default();
        let warnings = |tool: &str, text: &str| {
            let mut parser = ToolOutputParser::new(&sink, tool);
            text.lines().for_each(|line| parser.feed_line(line));
            parser.warnings
        };
        let pip = "WARNING: d 1.0 does not provide the extra 'y'\n  WARNING: Retrying (Retry(total=4)) after x\n\
            WARNING: The candidate is a yanked version: 'd'\nReason for being yanked: broken\nCollecting x\n";
        let expected = [
            "d 1.0 does not provide the extra 'y'",
            "The candidate is a yanked version: 'd' Reason for being yanked: broken",
        ];
        assert_eq!(warnings("pip", pip), expected);
        let uv = "Resolved 1 package in 1ms\nwarning: `d==1.0` is yanked\nwarning: `d==1.0` is yanked\n\
            warning: Failed to hardlink files; falling back to full copy.\n         If this is intended, set x\n + d==1.0\n";
        assert_eq!(warnings("uv", uv), ["`d==1.0` is yanked"]);
    }

    #[test]
    fn what_pip_writes_is_understood() {
        let text = "Looking in links: /opt/wheels\nCollecting numpy>=2 (from x)\n  Downloading numpy-2.5-cp312.whl.metadata (6 kB)\n  \
            Downloading https://host/a/numpy-2.5.5-cp312.whl (15.7 MB)\nProgress 0 of 15690000\nProgress 262144 of 15690000\n\
            Building wheels for collected packages: docopt\n  Building wheel for docopt (pyproject.toml): started\n  \
            Building wheel for docopt (pyproject.toml): finished with status 'done'\n\
            Installing collected packages: docopt, numpy\nSuccessfully installed docopt-0.6.2 numpy-2.5.5\n";
        let expected = [
            "resolving numpy",
            "downloading numpy 15700000",
            "downloading numpy 0 15690000",
            "downloading numpy 262144 15690000",
            "building docopt",
            "installing docopt",
            "installing numpy",
        ];
        assert_eq!(reports("pip", text), expected);
    }
}
