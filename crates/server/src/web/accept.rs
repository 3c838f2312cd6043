//! The forms of data that a request accepts.

use beep_python_protocol::{DataFormat, ErrorCode, Problem};
use http::HeaderMap;
use http::header::ACCEPT;

/// The words of the formats that the `Accept` headers name, the best first; `any` for what the server likes best. An error
/// where there is no form of data among them.
pub(crate) fn formats(headers: &HeaderMap) -> Result<Vec<&'static str>, Problem> {
    let mut ranges = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let text = value.to_str().unwrap_or_default();
        ranges.extend(text.split(',').map(str::trim).filter(|range| !range.is_empty()).map(weighed));
    }
    if ranges.is_empty() {
        return Ok(vec!["any"]);
    }
    ranges.sort_by(|one, other| other.1.total_cmp(&one.1));
    let wanted = ranges.iter().filter(|(_, weight)| *weight > 0.0);
    let formats: Vec<_> = wanted.filter_map(|(media, _)| word(media)).collect();
    if formats.is_empty() {
        let known = DataFormat::ALL.map(DataFormat::media_type).join(", ");
        let detail = format!("data are sent as {known}; the request accepts none of them");
        return Err(Problem::new(ErrorCode::NotAcceptable, detail));
    }
    Ok(formats)
}

/// A range and its weight, from 0 to 1.
fn weighed(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (media, weight.and_then(|weight| weight.trim().parse().ok()).unwrap_or(1.0))
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

    fn of(accept: &[&'static str]) -> Result<Vec<&'static str>, Problem> {
        let headers = accept.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect();
        formats(&headers)
    }

    #[test]
    fn best_format_comes_first() {
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
}
