//! Secret variables of the server: neither sessions nor tools get them, and no process reads them in `/proc`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Variables whose name begins so are always hidden.
const TOKEN: &[u8] = b"BEEP_PYTHON_TOKEN";

/// Removes these variables, and those with tokens, from this process, and overwrites the copy that the kernel shows.
///
/// # Safety
///
/// No other thread runs.
pub(crate) unsafe fn hide(names: &[String]) {
    let is_hidden =
        |name: &OsStr| name.as_bytes().starts_with(TOKEN) || names.iter().any(|hidden| OsStr::new(hidden) == name);
    let hidden: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).filter(|name| is_hidden(name)).collect();
    if hidden.is_empty() {
        return;
    }
    for name in &hidden {
        // SAFETY: no other thread reads or writes the environment.
        unsafe { std::env::remove_var(name) };
    }
    // SAFETY: nothing refers to those that were just removed, and no other thread looks at them.
    unsafe { overwrite(is_hidden) };
}

/// Overwrites all variables that this process began with. It finds empty texts in their place, which are none.
///
/// # Safety
///
/// No other thread runs.
pub(crate) unsafe fn hide_all() {
    // SAFETY: no other thread looks at them, and nothing keeps a reference to one.
    unsafe { overwrite(|_| true) };
}

/// Overwrites variables in the copy that the kernel shows.
///
/// # Safety
///
/// No other thread runs, and nothing keeps a reference to one of these variables.
unsafe fn overwrite(is_hidden: impl Fn(&OsStr) -> bool) {
    let Some((start, end)) = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| block(&stat)) else {
        return;
    };
    // SAFETY: the kernel placed the variables there when the program began, writable and for its whole life; the caller sees to it that
    // nothing else looks at them.
    let block =
        unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut::<u8>(start), end - start) };
    for variable in block.split_mut(|byte| *byte == 0) {
        let name = variable.split(|byte| *byte == b'=').next().unwrap_or_default();
        if is_hidden(&OsString::from_vec(name.to_vec())) {
            variable.fill(0);
        }
    }
}

/// Where the variables lie that a process began with: the fields 50 and 51 of its `stat`.
fn block(stat: &str) -> Option<(usize, usize)> {
    let (_, fields) = stat.rsplit_once(')')?; // the name before may have spaces
    let mut fields = fields.split_ascii_whitespace().skip(47);
    let (start, end) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (0 < start && start < end).then_some((start, end))
}
