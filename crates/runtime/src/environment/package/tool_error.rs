//! Reasons for the failure of a tool, found in its output.

use std::process::ExitStatus;

use super::error::PackageError;
use super::installed::normal;
use super::requirement::Requirements;
use super::tool_cause::ToolCause;
use super::tool_output::UNTRUSTED_CERTIFICATE;
use crate::platform::mask_credentials;

/// How many lines of a failed build are quoted: the last ones.
const BUILD_LINES: usize = 20;

/// The error of a tool that refused. `log` is what pip notes down beside its output.
pub(super) fn tool_failure(
    tool: &'static str,
    action: &'static str,
    wanted: &Requirements,
    status: ExitStatus,
    stderr_tail: String,
    log: &str,
) -> PackageError {
    let stderr_tail = mask_credentials(&stderr_tail);
    let causes = causes(tool, &stderr_tail, log);
    // When the reason names only a dependency, earlier lines name the required package.
    let package = package_in(&causes.join(" "), wanted).or_else(|| package_in(&stderr_tail, wanted));
    PackageError::Refused { tool, action, package, source: ToolCause::of(causes), status, stderr_tail }
}

/// The reasons in one line.
pub(in crate::environment) fn reason(tool: &str, said: &str) -> String {
    causes(tool, said, "").join(": ")
}

/// The reasons in the tool's output, the nearest first.
fn causes(tool: &str, said: &str, log: &str) -> Vec<String> {
    let mut found = if tool == "pip" { of_pip(said, log) } else { of_uv(said) };
    if found.is_empty() {
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        found.push(last.unwrap_or("it does not say why").to_owned());
    }
    unreached_first(&mut found);
    found.iter().map(|text| mask_credentials(text)).collect()
}

/// What was wrong where no connection came about.
const UNREACHED: &str = "the index was not reached";

/// Puts first that there was no connection: what a tool concludes from it, such as that there is no such package, may be wrong.
fn unreached_first(found: &mut Vec<String>) {
    if let Some(at) = found.iter().position(|cause| cause.starts_with(UNREACHED)) {
        found[..=at].rotate_right(1);
    } else if found.iter().any(|cause| cause.starts_with("error sending request")) {
        found.insert(0, UNREACHED.to_owned());
    }
}

/// uv writes `error:` and `cause:`, older ones draw the branches of a tree; what a build printed is indented below them.
fn of_uv(said: &str) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut build: Option<Vec<&str>> = None;
    for line in said.lines() {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        let words = text.trim_start_matches(['×', '╰', '├', '│', '─', '▶', ' ']);
        let word = ["error: ", "Caused by: ", "cause: "].iter().find_map(|word| words.strip_prefix(word));
        let begins = text.starts_with(['×', '╰', '├']) || (word.is_some() && indent <= 2);
        if begins {
            causes.extend(build.take().and_then(|lines| last_of(&lines)));
            causes.push(word.unwrap_or(words).to_owned());
        } else if causes.is_empty() || text.is_empty() {
            continue;
        } else if matches!(text, "[stdout]" | "[stderr]") {
            // Usually errors tell more, and they come last.
            build = Some(Vec::new());
        } else if text.starts_with("hint: ") {
            causes.extend(build.take().and_then(|lines| last_of(&lines)));
            causes.last_mut().expect("there is one").extend(["\n", text]);
        } else if let Some(lines) = &mut build {
            lines.push(line);
        } else {
            // A branch continues in the lines below it.
            causes.last_mut().expect("there is one").extend([" ", words]);
        }
    }
    causes.extend(build.and_then(|lines| last_of(&lines)));
    causes
}

/// pip writes the reason on its last line of errors, but for conflicts and builds; what indexes answered is in its log.
fn of_pip(said: &str, log: &str) -> Vec<String> {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let logged: Vec<&str> = log.lines().map(without_time).collect();
    let errors: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("ERROR: ")).collect();
    if let Some(conflict) = errors.iter().find(|line| line.starts_with("Cannot install ")) {
        let listed = logged.iter().skip_while(|line| **line != "The conflict is caused by:").skip(1);
        let listed: Vec<&str> = listed.map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
        return [(*conflict).to_owned()].into_iter().chain((!listed.is_empty()).then(|| listed.join("\n"))).collect();
    }
    if let Some(at) = lines.iter().position(|line| line.starts_with("× ")) {
        let status = lines.get(at + 1).map(|line| line.trim_start_matches(['│', ' '])).unwrap_or_default();
        let step = lines[at].trim_start_matches("× ").trim_end_matches('.');
        return [format!("{step} ({status})")].into_iter().chain(last_of(&build_output(&logged))).collect();
    }
    let Some(last) = errors.last() else { return Vec::new() };
    let mut causes = vec![with_rest(last, said)];
    if last.starts_with("No matching distribution found") {
        let others = errors.iter().filter(|line| line.starts_with("Ignored the following "));
        causes.extend(others.map(|line| (*line).to_owned()));
        let versions = errors.iter().find_map(|line| line.split_once("(from versions: ")?.1.strip_suffix(')'));
        causes.extend(versions.filter(|list| *list != "none").map(|list| format!("its versions are {list}")));
        causes.extend(index_problem(&lines, &logged));
    }
    causes
}

/// An error of pip with what belongs to it below: an indented list, or for an exception that it did not expect the last
/// line of its traceback.
fn with_rest(error: &str, said: &str) -> String {
    let below = said.lines().skip_while(|line| line.trim().strip_prefix("ERROR: ") != Some(error)).skip(1);
    if error == "Exception:" {
        let below = below.take_while(|line| !line.starts_with("WARNING: "));
        return below.map(str::trim).filter(|line| !line.is_empty()).last().unwrap_or(error).to_owned();
    }
    let listed = below.take_while(|line| line.starts_with(' ')).take(BUILD_LINES).map(str::trim);
    listed.fold(error.to_owned(), |text, line| text + "\n" + line)
}

/// Why an index gave nothing, which pip does not count as an error. An absent package (404) is no problem of the index.
fn index_problem(lines: &[&str], logged: &[&str]) -> Option<String> {
    let fetched = logged.iter().rev().filter_map(|line| {
        line.strip_prefix("Could not fetch URL ")?
            .split_once(": ")
            .map(|(_, reason)| reason.trim_end_matches(" - skipping"))
    });
    let signs = ["connection broken by ", UNTRUSTED_CERTIFICATE];
    let warned = lines.iter().rev().filter_map(|line| signs.iter().find_map(|sign| Some(line.split_once(sign)?.1)));
    let reason = fetched.filter(|reason| !reason.starts_with("404 ")).chain(warned).next()?;
    let answered = reason.starts_with(|c: char| c.is_ascii_digit());
    // Within the names of pip's own classes.
    let plain = match reason.rsplit_once("Failed to establish a new connection: ") {
        Some((before, plain)) => {
            let host = before.split("host='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or("it");
            format!("no connection to {host}: {}", plain.split(['\'', '"']).next().unwrap_or(plain))
        }
        None => reason.to_owned(),
    };
    Some(format!("{}: {plain}", if answered { "the index refused" } else { UNREACHED }))
}

/// What the last command of a build printed, from pip's log.
fn build_output<'a>(logged: &[&'a str]) -> Vec<&'a str> {
    let ends = |line: &&str| line.trim_start().starts_with("ERROR: ") && line.contains(" exited with ");
    let end = logged.iter().rposition(ends).unwrap_or(logged.len());
    let begin = logged[..end].iter().rposition(|line| line.trim_start().starts_with("Running command "));
    begin.map(|begin| logged[begin + 1..end].to_vec()).unwrap_or_default()
}

/// The last lines, less what all of them are indented.
fn last_of(lines: &[&str]) -> Option<String> {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()).collect();
    let lines = &lines[lines.len().saturating_sub(BUILD_LINES)..];
    let indent = lines.iter().map(|line| line.len() - line.trim_start().len()).min()?;
    Some(lines.iter().map(|line| &line[indent..]).collect::<Vec<_>>().join("\n"))
}

/// A line of pip's log without the time before it: `2026-12-01T08:54:47,018 `.
fn without_time(line: &str) -> &str {
    line.split_once(' ').filter(|(time, _)| time.len() == 23 && time.contains('T')).map_or(line, |(_, rest)| rest)
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
    fn what_belongs_to_an_error_of_pip_stands_below_it() {
        let said = "ERROR: Exception:\nTraceback (most recent call last):\n  File \"x\", line 1\nOSError: [Errno 28] No space left on device\n";
        assert_eq!(of_pip(said, ""), ["OSError: [Errno 28] No space left on device"]);
        let said = "ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:\n    \
                    alpha from http://x/alpha.whl (from -r r.txt (line 1))\nWARNING: other\n";
        let expected = "In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:\n\
                        alpha from http://x/alpha.whl (from -r r.txt (line 1))";
        assert_eq!(of_pip(said, ""), [expected]);
    }

    #[test]
    fn reasons_of_uv_are_the_branches_of_its_tree() {
        let old = "Using Python 3.12 environment\n  × No solution found when resolving dependencies:\n  \
                  ╰─▶ Because nosuch was not found in the provided package locations and you\n      \
                  require nosuch, we can conclude that your requirements are unsatisfiable.\n\n      \
                  hint: something\n";
        let because = "Because nosuch was not found in the provided package locations and you require nosuch, we can \
                       conclude that your requirements are unsatisfiable.\nhint: something";
        assert_eq!(causes("uv", old, ""), ["No solution found when resolving dependencies:", because]);
        let new = "error: No solution\n  cause: Because of x.\n         And of y.\n\nhint: An index said 403\n";
        assert_eq!(causes("uv", new, ""), ["No solution", "Because of x. And of y.\nhint: An index said 403"]);
        assert_eq!(
            causes("uv", "error: Failed to fetch\n  Caused by: no route\n", ""),
            ["Failed to fetch", "no route"]
        );
        assert_eq!(causes("uv", "thread panicked", ""), ["thread panicked"]);
        let build = "error: Failed to build `bad`\n  cause: The build backend returned an error\n  \
                     cause: Call to `bk.build_wheel` failed (exit status: 1)\n\n         [stdout]\n         hello\n\n         \
                     [stderr]\n         error: no cc\n         Traceback:\n           File x\n         RuntimeError: why\n\n\
                     hint: a build\n";
        let output = "error: no cc\nTraceback:\n  File x\nRuntimeError: why\nhint: a build";
        let call = "Call to `bk.build_wheel` failed (exit status: 1)";
        assert_eq!(
            causes("uv", build, ""),
            ["Failed to build `bad`", "The build backend returned an error", call, output]
        );
    }

    #[test]
    fn reasons_of_pip_are_in_its_errors_and_its_log() {
        let none = "ERROR: Could not find a version that satisfies the requirement six>=9 (from versions: 1.0, 2.0)\n\
                   ERROR: No matching distribution found for six>=9\n";
        assert_eq!(causes("pip", none, ""), ["No matching distribution found for six>=9", "its versions are 1.0, 2.0"]);
        let none = "ERROR: No matching distribution found for six\n";
        for (line, reason) in [
            ("404 Client Error: Not Found for url: http://h/", None),
            (
                "403 Client Error: Forbidden for url: http://h/",
                Some("the index refused: 403 Client Error: Forbidden for url: http://h/"),
            ),
            (
                "connection error: HTTPConnectionPool(host='h', port=9): Max retries exceeded (Caused by \
                 NewConnectionError('<pip.X>: Failed to establish a new connection: [Errno 111] Connection refused'))",
                Some("the index was not reached: no connection to h: [Errno 111] Connection refused"),
            ),
        ] {
            let log = format!("2026-12-01T08:54:47,018 Could not fetch URL http://h/six/: {line} - skipping\n");
            let mut expected: Vec<&str> =
                ["No matching distribution found for six"].into_iter().chain(reason).collect();
            expected.sort_by_key(|cause| !cause.contains("not reached"));
            assert_eq!(causes("pip", none, &log), expected);
        }
        let down = "WARNING: Retrying (Retry(total=0)) after connection broken by 'Refused': /simple/six/\n\
                    ERROR: No matching distribution found for six\n";
        assert_eq!(causes("pip", down, "")[0], "the index was not reached: 'Refused': /simple/six/");

        let conflict =
            "ERROR: Cannot install a==1.0 and b==1.0 because these have conflicts.\nERROR: ResolutionImpossible: x\n";
        let time = "2026-12-01T08:54:47,018 ";
        let log = format!(
            "{time}The conflict is caused by:\n{time}    a 1.0 depends on c<2\n{time}    b 1.0 depends on c>=2\n{time}\n{time}To fix"
        );
        let expected = [
            "Cannot install a==1.0 and b==1.0 because these have conflicts.",
            "a 1.0 depends on c<2\nb 1.0 depends on c>=2",
        ];
        assert_eq!(causes("pip", conflict, &log), expected);

        let build = "  error: subprocess-exited-with-error\n  \n  × Preparing metadata did not run successfully.\n  │ exit code: 1\n  \
                     ╰─> See above for output.\nerror: metadata-generation-failed\n";
        let log = format!(
            "{time}  Running command Preparing metadata\n{time}  Traceback:\n{time}    File x\n{time}  RuntimeError: why\n\
                           {time}  ERROR: Preparing metadata exited with 1\n{time}ERROR: metadata generation failed\n{time}pip.X: Preparing metadata exited with 1\n"
        );
        let expected =
            ["Preparing metadata did not run successfully (exit code: 1)", "Traceback:\n  File x\nRuntimeError: why"];
        assert_eq!(causes("pip", build, &log), expected);
        assert_eq!(causes("pip", "", ""), ["it does not say why"]);
    }

    #[test]
    fn lack_of_a_connection_comes_first() {
        let uv = "error: Request failed after 3 retries\n  Caused by: Failed to fetch: `http://h/six/`\n  Caused by: error \
                  sending request for url (http://h/six/)\n  Caused by: client error (Connect)\n  Caused by: dns error\n";
        let told = causes("uv", uv, "");
        assert_eq!((told[0].as_str(), told.len()), ("the index was not reached", 6), "{told:?}");
        let pip = "WARNING: Retrying (Retry(total=0)) after connection broken by 'Refused': /simple/six/\n\
                   ERROR: Could not find a version that satisfies the requirement six (from versions: none)\n\
                   ERROR: No matching distribution found for six\n";
        assert!(reason("pip", pip).starts_with("the index was not reached: 'Refused'"), "{}", reason("pip", pip));
    }

    #[test]
    fn reason_tells_the_package_and_no_password() {
        let wanted = Requirements::new(["six", "No.Such>=2"]).unwrap();
        assert_eq!(package_in("Because no-such was not found.", &wanted).as_deref(), Some("no-such"));
        assert_eq!(package_in("the network is down", &wanted), None);
        assert_eq!(reason("uv", "error: Failed to fetch: https://u:p@h/x\n"), "Failed to fetch: https://***@h/x");
    }
}
