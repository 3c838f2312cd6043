//! Writing pages.

/// The style of all pages: dark where the reader likes that, and readable on a narrow screen.
pub(super) const STYLE: &str = "
:root { color-scheme: light dark; --line: #8885; --soft: #8882; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --link: #8ab4f8; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 56rem; overflow-wrap: anywhere; }
a { color: var(--link); }
code, pre { font: 0.875em/1.45 ui-monospace, monospace; background: var(--soft); border-radius: 4px; }
code { padding: 0.1em 0.3em; }
pre { padding: 0.6rem; white-space: pre-wrap; }
pre code { background: none; padding: 0; }
details, section.one { border: 1px solid var(--line); border-radius: 6px; padding: 0.5rem 0.8rem; margin: 0.6rem 0; }
summary { cursor: pointer; }
h2 { margin-top: 2rem; }
h3, h4 { margin: 1rem 0 0.3rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-top: 1px solid var(--line); padding: 0.3rem 0.6rem 0.3rem 0; text-align: left; vertical-align: top; }
.method { font-weight: 700; }
.quiet { opacity: 0.75; }
@media (max-width: 40rem) {
  table, tbody, tr, td { display: block; width: auto; }
  thead { display: none; }
  tr { border-top: 1px solid var(--line); padding: 0.3rem 0; }
  td { border: 0; padding: 0; }
}
";

/// A page of this title and content.
pub(super) fn page(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n\
        <body>\n{content}</body>\n</html>\n",
        escape(title)
    )
}

/// The text, so that none of it is markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
    out
}

/// Text with `code` and *emphasis*, as comments have it.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        match at % 2 {
            0 => out.push_str(&emphasised(part)),
            _ => out.push_str(&format!("<code>{}</code>", escape(part))),
        }
    }
    out
}

/// `*word*` as emphasis; an asterisk alone is one.
fn emphasised(text: &str) -> String {
    let parts: Vec<_> = text.split('*').map(escape).collect();
    if parts.len() % 2 == 0 {
        return parts.join("*");
    }
    let tagged = |(at, part): (usize, &String)| if at % 2 == 0 { part.clone() } else { format!("<em>{part}</em>") };
    parts.iter().enumerate().map(tagged).collect()
}

/// Paragraphs, which empty lines part.
pub(super) fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(|paragraph| format!("<p>{}</p>\n", prose(paragraph))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        assert_eq!(prose("a <b> `c<d>` *e* 2*3"), "a &lt;b&gt; <code>c&lt;d&gt;</code> *e* 2*3");
        assert_eq!(prose("an *x* & \"y\""), "an <em>x</em> &amp; &quot;y&quot;");
        assert!(page("<t>", "").contains("<title>&lt;t&gt;</title>"));
    }
}
