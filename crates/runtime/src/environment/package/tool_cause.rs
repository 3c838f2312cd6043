//! Why a tool failed: a chain of reasons.

/// A reason for the failure of a tool, in its own words; the source is what was behind it. A text of several lines quotes the
/// output of a build, or lists what excludes each other.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct ToolCause {
    text: String,
    source: Option<Box<ToolCause>>,
}

impl ToolCause {
    pub(super) fn of(causes: Vec<String>) -> ToolCause {
        let chain = |source: Option<ToolCause>, text| Some(ToolCause { text, source: source.map(Box::new) });
        causes.into_iter().rev().fold(None, chain).unwrap_or(ToolCause { text: String::new(), source: None })
    }
}
