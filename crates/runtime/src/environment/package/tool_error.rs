//! Reasons for the failure of a tool, found in its output.

use std::process::ExitStatus;

use super::error::PackageError;
use super::installed::normal;
use super::requirement::Requirements;
use super::tool_output::UNTRUSTED_CERTIFICATE;
use crate::platform::mask_credentials;

/// The error of a tool that refused.
pub(super) fn tool_failure(
    tool: &'static str,
    action: &'static str,
    wanted: &Requirements,
    status: ExitStatus,
    stderr_tail: String,
) -> PackageError {
    let stderr_tail = mask_credentials(&stderr_tail);
    let reason = reason(tool, &stderr_tail);
    // When the reason names only a dependency, earlier lines name the required package.
    let package = package_in(&reason, wanted).or_else(|| package_in(&stderr_tail, wanted));
    PackageError::Refused { tool, action, package, reason, status, stderr_tail }
}

/// The reason in the tool's output: pip writes it on its last line of errors, uv on the branches of a tree.
pub(super) fn reason(tool: &str, said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let starts = |line: &&&str| match tool {
        "pip" => line.starts_with("ERROR: "),
        _ => line.starts_with(['×', '╰', '├']) || line.starts_with("error: ") || line.starts_with("Caused by: "),
    };
    let found: Vec<String> = match tool {
        "pip" => {
            let last = lines.iter().rfind(starts).map(|line| line.trim_start_matches("ERROR: ").to_owned());
            // pip also finds nothing when it cannot reach the index, which it reports only as a warning.
            let signs = ["connection broken by ", UNTRUSTED_CERTIFICATE];
            let of = |line: &&str| signs.iter().find_map(|sign| Some(line.split_once(sign)?.1.to_owned()));
            let broken = lines.iter().rev().find_map(of);
            last.into_iter().chain(broken.map(|why| format!("(the index was not reached: {why})"))).collect()
        }
        _ => {
            // A branch continues in the lines below it.
            let first = lines.iter().position(|line| starts(&line)).unwrap_or(lines.len());
            let plain = lines[first..].iter().map(|line| {
                let line = line.trim_start_matches(['×', '╰', '├', '│', '─', '▶', ' ']);
                ["error: ", "Caused by: ", "cause: "]
                    .iter()
                    .fold(line, |line, said| line.trim_start_matches(said))
                    .to_owned()
            });
            plain.filter(|line| !line.is_empty()).collect()
        }
    };
    match found.is_empty() {
        true => lines.last().map_or("it does not say why".to_owned(), |line| (*line).to_owned()),
        false => found.join(" "),
    }
}

/// The package that the reason is about: the first required one that it names.
fn package_in(reason: &str, wanted: &Requirements) -> Option<String> {
    let reason = reason.to_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let words: Vec<&str> = reason.split(|c| !is_part(c)).map(|word| word.trim_end_matches('.')).collect();
    let all = wanted.all().unwrap_or_default();
    let names = all.iter().filter_map(|wanted| Some(wanted.requirement.as_ref()?.name.to_string()));
    names.into_iter().find(|name| words.iter().any(|word| normal(word) == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_what_the_tools_write() {
        let pip = "ERROR: Could not find a version that satisfies the requirement nosuch (from versions: none)\n\
                   ERROR: No matching distribution found for nosuch\n";
        assert_eq!(reason("pip", pip), "No matching distribution found for nosuch");
        let uv = "Using Python 3.12 environment\n  × No solution found when resolving dependencies:\n  \
                  ╰─▶ Because nosuch was not found in the provided package locations and you\n      \
                  require nosuch, we can conclude that your requirements are unsatisfiable.\n\n      \
                  hint: something\n";
        let found = reason("uv", uv);
        assert!(found.starts_with("No solution found when resolving dependencies: Because nosuch was not found"));
        assert!(found.contains("and you require nosuch, we can"), "{found}");
        assert_eq!(reason("uv", "error: Failed to fetch\n  Caused by: no route\n"), "Failed to fetch no route");
        let down = "WARNING: Retrying (Retry(total=0)) after connection broken by 'Refused': /simple/six/\n\
                    ERROR: No matching distribution found for six\n";
        let said = "No matching distribution found for six (the index was not reached: 'Refused': /simple/six/)";
        assert_eq!(reason("pip", down), said);
        assert_eq!(reason("uv", "error: No solution\n  cause: Because of x.\n"), "No solution Because of x.");
        assert_eq!(reason("uv", "thread panicked"), "thread panicked");
        assert_eq!(reason("pip", ""), "it does not say why");
        let wanted = Requirements::new(["six", "No.Such>=2"]).unwrap();
        assert_eq!(package_in("Because no-such was not found.", &wanted).as_deref(), Some("no-such"));
        assert_eq!(package_in("the network is down", &wanted), None);
    }
}
