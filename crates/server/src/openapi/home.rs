//! What this server is, and how a call looks: for people and for programs.

use beep_python_runtime::session::SessionManager;
use serde_json::json;

use crate::openapi::html::{escape, page as whole};

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A call that works as it is.
fn example(origin: &str) -> String {
    format!("curl -s {origin}/api/eval -H 'Content-Type: application/json' -d '{{\"expression\": \"1 + 1\"}}'")
}

pub(super) fn json(sessions: &SessionManager, origin: &str) -> String {
    let told = json!({
        "name": "beep-python",
        "version": VERSION,
        "description": "A managed Python: evaluates code, holds objects and calls methods, in sessions.",
        "python": sessions.python_version(),
        "environment": sessions.environments().own(),
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health",
        "metrics": "/metrics",
        "repository": REPOSITORY,
        "example": example(origin),
    });
    told.to_string() + "\n"
}

pub(super) fn page(sessions: &SessionManager, origin: &str) -> String {
    let rows = [
        ("version", VERSION.to_owned()),
        ("Python", sessions.python_version().to_string()),
        ("environment", sessions.environments().own().display().to_string()),
    ];
    let row =
        |(name, value): &(&str, String)| format!("<tr><td>{name}</td><td><code>{}</code></td></tr>\n", escape(value));
    let rows: String = rows.iter().map(row).collect();
    let content = format!(
        "<h1>beep-python</h1>\n\
        <p>This is a server of beep-python, a managed Python: programs send it code and it evaluates that, holds objects and calls \
        their methods, in sessions that are apart from each other.</p>\n<table>\n{rows}</table>\n\
        <h2>A call</h2>\n<pre><code>{}</code></pre>\n\
        <p>Where this server wants a token, add <code>-H &quot;Authorization: Bearer $BEEP_PYTHON_TOKEN&quot;</code>.</p>\n\
        <h2>Further</h2>\n<ul>\n<li><a href=\"/docs\">All routes</a>, with their bodies, answers and errors</li>\n\
        <li><a href=\"/openapi.json\">The same for machines</a>: OpenAPI 3.1</li>\n\
        <li><a href=\"/health\">Health</a> and <a href=\"/metrics\">metrics</a></li>\n\
        <li>Guides and source: <a href=\"{REPOSITORY}\">{REPOSITORY}</a></li>\n</ul>\n",
        escape(&example(origin))
    );
    whole("beep-python", &content)
}
