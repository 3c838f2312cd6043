//! What to do where code could not import a module.

use std::path::Path;
use std::time::Duration;

use beep_python_client::{AnyBackend, Error, PythonException};

use crate::context::Context;
use crate::terminal::shell_words::quote;

/// How long to wait for the session to name its environment.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Modules whose package has another name: those that people miss most.
const PACKAGES: [(&str, &str); 14] = [
    ("Crypto", "pycryptodome"),
    ("OpenSSL", "pyopenssl"),
    ("PIL", "pillow"),
    ("System", "pythonnet"),
    ("bs4", "beautifulsoup4"),
    ("cv2", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("dotenv", "python-dotenv"),
    ("fitz", "pymupdf"),
    ("git", "gitpython"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("yaml", "pyyaml"),
];

/// How to install what is missing, for an exception of this session's code.
pub(crate) async fn import_hint(context: &Context, client: &AnyBackend, error: Option<&Error>) -> Option<String> {
    let Some(Error::Python(raised)) = error else { return None };
    let module = missing_module(&raised.exception)?;
    let prefix: String = client.with_timeout(TIMEOUT).evaluate("__import__('sys').prefix").await.ok()?;
    let environments = context.home().ok()?.root().join("environments");
    let environment = match Path::new(&prefix).strip_prefix(environments) {
        Ok(name) => name.display().to_string(),
        Err(_) => prefix,
    };
    let environment = quote(&environment);
    let known = PACKAGES.iter().find(|(name, _)| *name == module);
    Some(match known {
        Some((_, package)) => format!("`beep-python venv install {environment} {package}` installs it"),
        None => {
            format!(
                "`beep-python venv install {environment} {module}` installs it, unless its package has another name"
            )
        }
    })
}

/// The module that is not there at all; none where only a part of a package is missing.
fn missing_module(exception: &PythonException) -> Option<&str> {
    let name = exception.message.strip_prefix("No module named '")?.strip_suffix('\'')?;
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with('_');
    (exception.kind == "ModuleNotFoundError" && is_name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_module_is_the_top_of_a_path() {
        let of = |kind: &str, message: &str| {
            let (kind, message) = (kind.to_owned(), message.to_owned());
            missing_module(&PythonException { kind, message, ..PythonException::default() }).map(str::to_owned)
        };
        assert_eq!(of("ModuleNotFoundError", "No module named 'foo'").as_deref(), Some("foo"));
        for other in [
            "No module named 'os.foo'",
            "No module named 'foo.bar'; 'foo' is not a package",
            "No module named '_foo'",
            "No module named 'a b'",
            "import of foo halted; None in sys.modules",
            "",
        ] {
            assert_eq!(of("ModuleNotFoundError", other), None, "{other}");
        }
        assert_eq!(of("ImportError", "No module named 'foo'"), None);
    }
}
