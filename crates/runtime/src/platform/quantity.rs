//! Durations and sizes as people write them: `1h30m`, `1500ms`, `2GiB`. The one grammar of options and variables, which
//! `docs/reference.md` describes.

use std::time::Duration;

const DURATIONS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// As GNU's tools have them: a letter counts in 1024s, and so does `KiB`; `KB` counts in 1000s.
const SIZES: [(&str, u64); 13] = [
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
];

/// Reads a duration: numbers with units, `1h30m`, or a number of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("'{text}' is no duration: write seconds as 90 or 1.5, or units as 1500ms, 30s, 5m, 1h30m, 7d, 2w");
    let written = text.trim().to_ascii_lowercase();
    if let Ok(seconds) = number(&written) {
        return Duration::try_from_secs_f64(seconds).map_err(|_| too_large(text));
    }
    let (mut rest, mut milliseconds) = (written.as_str(), 0.0);
    while !rest.is_empty() {
        let (amount, unit, after) = amount_with_unit(rest).ok_or_else(wrong)?;
        let (_, factor) = DURATIONS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        milliseconds += amount * *factor as f64;
        rest = after;
    }
    match written.is_empty() {
        true => Err(wrong()),
        false => Duration::try_from_secs_f64(milliseconds / 1000.0).map_err(|_| too_large(text)),
    }
}

/// Reads a size in bytes: a number of bytes, or one with a unit, `512M`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "'{text}' is no size: write bytes as 1048576, or a unit as 512M, 2GiB (both in 1024s) or 2GB (in 1000s)"
        )
    };
    let written = text.trim().to_ascii_lowercase();
    if !written.is_empty() && written.bytes().all(|c| c.is_ascii_digit()) {
        return written.parse().map_err(|_| too_large(text));
    }
    let (amount, unit, _) = amount_with_unit(&written).filter(|(.., after)| after.is_empty()).ok_or_else(wrong)?;
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    match amount * *factor as f64 {
        bytes if bytes < u64::MAX as f64 => Ok(bytes.round() as u64),
        _ => Err(too_large(text)),
    }
}

fn too_large(text: &str) -> String {
    format!("'{text}' is too large")
}

/// The number and the unit with which the text begins, and what is behind them.
fn amount_with_unit(text: &str) -> Option<(f64, &str, &str)> {
    let (amount, rest) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic() || c.is_whitespace())?);
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(end);
    Some((number(amount).ok()?, unit, after.trim_start()))
}

/// Digits, perhaps with a point: neither signs nor exponents.
fn number(text: &str) -> Result<f64, ()> {
    match text.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
        true => text.parse().map_err(|_| ()),
        false => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_units() {
        let milliseconds = |text| parse_duration(text).map(|time| time.as_millis());
        for (text, expected) in [
            ("0", 0),
            ("90", 90_000),
            ("1.5", 1500),
            ("1500ms", 1500),
            ("5s", 5000),
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1.5H", 5_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            (" 5 s ", 5000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, expected) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("512M", 512 << 20),
            ("512m", 512 << 20),
            ("2GiB", 2 << 30),
            ("2GB", 2_000_000_000),
            ("1.5k", 1536),
            ("3 TiB", 3 << 40),
            ("7B", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_the_grammar() {
        for text in
            ["", " ", "x", "s", "-1", "+1", "1y", "5 minutes", "NaN", "inf", "1e300", "1h30", "1..5s", "h1", "é"]
        {
            let told = parse_duration(text).expect_err(text);
            assert!(told.contains("1h30m"), "{told}");
        }
        for text in ["", " ", "x", "M", "-1", "1.5", "1M1K", "1PB", "512 Mio", "0x10", "NaN", "1e9", "é"] {
            let told = parse_size(text).expect_err(text);
            assert!(told.contains("2GiB"), "{told}");
        }
        assert_eq!(
            parse_duration("99999999999999999999999999w"),
            Err("'99999999999999999999999999w' is too large".into())
        );
        assert_eq!(parse_size("99999999999999999999999T"), Err("'99999999999999999999999T' is too large".into()));
    }
}
