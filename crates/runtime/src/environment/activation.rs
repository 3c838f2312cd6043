//! Activation scripts, one for each kind of shell.

/// Quotes a path so that the shell reads it unchanged.
type Quote = fn(&str) -> String;

const SCRIPTS: [(&str, &str, Quote); 6] = [
    ("bin/activate", include_str!("activate/activate.sh"), |path| format!("'{}'", path.replace('\'', r"'\''"))),
    ("bin/activate.fish", include_str!("activate/activate.fish"), |path| {
        format!("'{}'", path.replace('\\', r"\\").replace('\'', r"\'"))
    }),
    // An exclamation mark means history expansion, even in quotes.
    ("bin/activate.csh", include_str!("activate/activate.csh"), |path| {
        format!("'{}'", path.replace('\'', r"'\''").replace('!', r"\!"))
    }),
    ("bin/Activate.ps1", include_str!("activate/Activate.ps1"), |path| format!("'{}'", path.replace('\'', "''"))),
    ("bin/activate.bat", include_str!("activate/activate.bat"), |path| path.replace('%', "%%")),
    ("bin/deactivate.bat", include_str!("activate/deactivate.bat"), str::to_owned),
];

/// The activation scripts of an environment in the folder `path`: file name and content. The environment's name needs
/// no quotes in any shell.
pub(super) fn scripts(path: &str, name: &str) -> impl Iterator<Item = (&'static str, String)> {
    SCRIPTS.iter().map(move |(file, text, quote)| (*file, text.replace("@NAME@", name).replace("@PATH@", &quote(path))))
}
