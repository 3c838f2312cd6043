//! The fingerprint by which a certificate is known that no authority signed.

use std::fmt;
use std::str::FromStr;

/// The SHA-256 of a certificate: `AB:CD:…`, 32 bytes in hexadecimal, with colons or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    #[cfg(feature = "tls")]
    pub(crate) fn of(certificate: &[u8]) -> Fingerprint {
        use sha2::{Digest, Sha256};
        Fingerprint(Sha256::digest(certificate).into())
    }
}

impl FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Fingerprint, &'static str> {
        const WRONG: &str = "a fingerprint is the SHA-256 of a certificate, 64 hexadecimal digits";
        let digits: String = text.chars().filter(|char| *char != ':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(WRONG);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|_| WRONG)?;
        }
        Ok(Fingerprint(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&pairs.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_shown() {
        let shown = ["AB"; 32].join(":");
        for text in [&shown, &shown.to_lowercase(), &shown.replace(':', "")] {
            assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), shown);
        }
        for text in ["", "AB", &"AB".repeat(33), &"XY".repeat(32), &"+1".repeat(32)] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
