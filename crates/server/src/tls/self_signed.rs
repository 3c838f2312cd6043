//! A certificate that the home makes for itself. Clients know it by its fingerprint, which stays: it is made once.

use std::time::{SystemTime, UNIX_EPOCH};

use beep_python_runtime::platform::{FileLock, Home, replace_file};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use crate::tls::error::TlsError;
use crate::tls::files::TlsFiles;

const SECONDS_IN_YEAR: u64 = 31_556_952;
const YEARS: u64 = 10;

/// The home's own certificate and key, in its folder `tls`; made where they are missing, for loopback and these names and addresses.
pub fn self_signed(home: &Home, names: &[String]) -> Result<TlsFiles, TlsError> {
    let folder = home.tls()?;
    let files =
        TlsFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem"), client_authorities: None };
    let _alone = FileLock::acquire(folder.join("lock"))?;
    if files.certificate.exists() && files.key.exists() {
        return Ok(files);
    }
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    let all = own.into_iter().chain(host.ok()).chain(names.iter().cloned());
    // A name that cannot stand in a certificate is left out, as the host's may be.
    let mut fitting: Vec<String> = all.filter(|name| CertificateParams::new(vec![name.clone()]).is_ok()).collect();
    fitting.dedup();
    let mut params = CertificateParams::new(fitting)?;
    params.distinguished_name.push(DnType::CommonName, "beep-python");
    let year = 1970 + SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) / SECONDS_IN_YEAR;
    // Clocks may differ: it holds from the year before.
    params.not_before = date_time_ymd(year as i32 - 1, 1, 1);
    params.not_after = date_time_ymd((year + YEARS) as i32, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    replace_file(&files.key, key.serialize_pem().as_bytes())?;
    replace_file(&files.certificate, certificate.pem().as_bytes())?;
    Ok(files)
}
