//! A TLS site whose certificate authority is unknown to the system.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Folders served over TLS on loopback, by Python's own server, until dropped.
pub struct TlsSite {
    server: Child,
    port: String,
}

/// The file with the authority's certificate.
pub fn authority() -> PathBuf {
    fixture("authority.pem")
}

/// The certificates are valid for a hundred years, for 127.0.0.1 and localhost. The authority's key was discarded.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/support/tls").join(name)
}

const SERVE: &str = "import functools, http.server, ssl, sys
folder, certificate, key = sys.argv[1:]
here = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), here)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()
";

impl TlsSite {
    /// Serves the folder's files.
    pub fn serve(folder: &Path) -> TlsSite {
        let mut command = Command::new(&super::pythons()[0].path);
        command.args(["-I", "-c", SERVE]).arg(folder).arg(fixture("server.pem")).arg(fixture("server.key"));
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        TlsSite { server, port: port.trim().to_owned() }
    }

    /// `https://localhost:PORT`: some pips cannot verify the certificate of an IP address.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

impl Drop for TlsSite {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
