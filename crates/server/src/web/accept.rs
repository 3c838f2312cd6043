//! What a request accepts: of data, and of answers and events.

use beep_python_protocol::{DataFormat, ErrorCode, Problem};
use http::HeaderMap;
use http::header::ACCEPT;

/// The words of the formats that the `Accept` headers name, the best first; `any` for what the server likes best. An error
/// where there is no form of data among them.
pub(crate) fn formats(headers: &HeaderMap) -> Result<Vec<&'static str>, Problem> {
    let ranges = ranges(headers);
    if ranges.is_empty() {
        return Ok(vec!["any"]);
    }
    let wanted = ranges.iter().filter(|(_, weight)| *weight > 0.0);
    let formats: Vec<_> = wanted.filter_map(|(media, _)| word(media)).collect();
    if formats.is_empty() {
        let known = DataFormat::ALL.map(DataFormat::media_type).join(", ");
        let detail = format!("data are sent as {known}; the request accepts none of them");
        return Err(Problem::new(ErrorCode::NotAcceptable, detail));
    }
    Ok(formats)
}

/// Which of these types the request likes best: the first of those with the greatest weight. Ranges such as `*/*` count for the
/// first type that they cover.
pub(crate) fn preferred(headers: &HeaderMap, offered: &[&'static str]) -> Option<&'static str> {
    let ranges = ranges(headers);
    let wanted = ranges.iter().filter(|(_, weight)| *weight > 0.0);
    wanted.filter_map(|(range, _)| offered.iter().copied().find(|media| covers(range, media))).next()
}

/// Whether the request names this type itself.
pub(crate) fn names(headers: &HeaderMap, media: &str) -> bool {
    ranges(headers).iter().any(|(range, weight)| *weight > 0.0 && range.eq_ignore_ascii_case(media))
}

/// The ranges of all `Accept` headers with their weights, the best first.
fn ranges(headers: &HeaderMap) -> Vec<(&str, f32)> {
    let mut ranges = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let text = value.to_str().unwrap_or_default();
        ranges.extend(text.split(',').map(str::trim).filter(|range| !range.is_empty()).map(weighed));
    }
    ranges.sort_by(|one, other| other.1.total_cmp(&one.1));
    ranges
}

/// A range and its weight, from 0 to 1.
fn weighed(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (media, weight.and_then(|weight| weight.trim().parse().ok()).unwrap_or(1.0))
}

fn covers(range: &str, media: &str) -> bool {
    match range.strip_suffix('*') {
        Some("*/") => true,
        Some(kind) => media.get(..kind.len()).is_some_and(|of_media| of_media.eq_ignore_ascii_case(kind)),
        None => range.eq_ignore_ascii_case(media),
    }
}

fn word(media: &str) -> Option<&'static str> {
    match media {
        "*/*" | "application/*" => Some("any"),
        "image/*" => Some(DataFormat::Png.as_str()),
        _ => DataFormat::from_media_type(media).map(DataFormat::as_str),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepting(accept: &[&'static str]) -> HeaderMap {
        accept.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn best_format_comes_first() {
        let of = |accept: &[&'static str]| formats(&accepting(accept));
        for (accept, expected) in [
            (&[][..], &["any"][..]),
            (&["*/*"], &["any"]),
            (&["application/x-npy"], &["npy"]),
            (&["application/octet-stream;q=0.5, application/x-npy, */*;q=0.1"], &["npy", "raw", "any"]),
            (&["text/html, image/*", "Application/JSON; charset=utf-8"], &["png", "json"]),
            (&["application/vnd.apache.arrow.stream, application/x-npy;q=0"], &["arrow-stream"]),
        ] {
            assert_eq!(of(accept).unwrap(), expected, "{accept:?}");
        }
        assert_eq!(of(&["text/html"]).unwrap_err().code, ErrorCode::NotAcceptable);
    }

    #[test]
    fn weights_decide_and_then_the_order() {
        const JSON: &str = "application/json";
        const EVENTS: &str = "text/event-stream";
        for (accept, expected) in [
            (&[][..], None),
            (&["text/html"], None),
            (&["*/*"], Some(JSON)),
            (&["text/*"], Some(EVENTS)),
            (&["text/event-stream"], Some(EVENTS)),
            (&["Text/Event-Stream"], Some(EVENTS)),
            (&["application/json, text/event-stream"], Some(JSON)),
            (&["text/event-stream, application/json"], Some(EVENTS)),
            (&["application/json;q=0.5, text/event-stream"], Some(EVENTS)),
            (&["text/html", "text/event-stream"], Some(EVENTS)),
            (&["text/event-stream;q=0, */*;q=0.1"], Some(JSON)),
            (&["text/event-stream; charset=utf-8; q=0.2, application/json ; q=0.1"], Some(EVENTS)),
        ] {
            assert_eq!(preferred(&accepting(accept), &[JSON, EVENTS]), expected, "{accept:?}");
        }
    }
}
