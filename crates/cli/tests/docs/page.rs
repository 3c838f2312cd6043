//! The code blocks of a page.

/// A page of Markdown.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) blocks: Vec<Block>,
}

/// A fenced block.
pub(crate) struct Block {
    /// The line of its first line of code.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
    /// Why it cannot run in a test.
    pub(crate) not_run: Option<String>,
}

/// Commands, and the lines that they print; `None` when the page does not show them.
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) commands: String,
    pub(crate) prints: Option<Vec<String>>,
}

const FENCE: &str = "```";
const PRINTS: &str = "#>";

impl Page {
    pub(crate) fn parse(path: &str, text: &str) -> Page {
        let mut blocks: Vec<Block> = Vec::new();
        let (mut open, mut mark) = (false, None);
        for (at, line) in text.lines().enumerate() {
            match line.strip_prefix(FENCE) {
                Some(language) if !open => {
                    let language = language.to_owned();
                    blocks.push(Block { line: at + 2, language, text: String::new(), not_run: mark.take() });
                    open = true;
                }
                Some(_) => open = false,
                None if open => {
                    let block = blocks.last_mut().unwrap();
                    block.text += line;
                    block.text.push('\n');
                }
                None => {
                    assert!(!line.trim_start().starts_with(FENCE), "{path}:{}: a block is indented", at + 1);
                    let reason = line.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
                    mark = reason.map(str::to_owned).or(mark.filter(|_| line.is_empty()));
                }
            }
        }
        assert!(!open, "{path}: the last block does not end");
        Page { path: path.to_owned(), blocks }
    }
}

impl Block {
    /// What runs, in order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            if let Some(printed) = line.strip_prefix(PRINTS) {
                let step = steps.last_mut().expect("output follows a command");
                step.prints.get_or_insert_default().push(printed.strip_prefix(' ').unwrap_or(printed).to_owned());
                continue;
            }
            if steps.last().is_none_or(|step| step.prints.is_some()) {
                steps.push(Step { line: self.line + at, commands: String::new(), prints: None });
            }
            let step = steps.last_mut().unwrap();
            step.commands += line;
            step.commands.push('\n');
        }
        steps
    }
}

/// Whether these lines are what a page shows.
pub(crate) fn matches(shown: &[String], printed: &[&str]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        (Some((first, rest)), Some((line, lines))) => line_matches(first, line.trim_end()) && matches(rest, lines),
        _ => false,
    }
}

fn line_matches(shown: &str, line: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else { return shown == line };
    let Some(line) = line.strip_prefix(start) else { return false };
    line.char_indices().map(|(at, _)| at).chain([line.len()]).any(|at| line_matches(rest, &line[at..]))
}

/// What a link can name in a page: its headings, as GitHub writes them.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn an_ellipsis_stands_for_any_text_or_lines() {
    let shown = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(matches(&shown(&["a … c", "…", "d"]), &["a bb c", "x", "y", "d"]));
    assert!(matches(&shown(&["…"]), &[]));
    assert!(!matches(&shown(&["a …"]), &["b c"]));
    assert!(!matches(&shown(&["a"]), &["a", "b"]));
}
