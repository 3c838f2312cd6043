//! Wheels made by the tests, in a folder that serves as an index.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{output, pythons};

/// Writes the wheel `NAME-VERSION-py3-none-any.whl`, with one module, `NAME.py`, and a correct RECORD.
pub fn wheel(index: &Path, name: &str, version: &str, requires: &[&str]) {
    fs::create_dir_all(index).unwrap();
    let script = "import base64, hashlib, sys, zipfile\n\
        name, version, path, requires = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]\n\
        info = f'{name}-{version}.dist-info/'\n\
        meta = f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n'\n\
        meta += ''.join('Provides-Extra: ' + r.split(\"'\")[1] + '\\n' for r in requires if 'extra ==' in r)\n\
        files = {name + '.py': f'version = {version!r}\\n',\n         \
            info + 'METADATA': meta + ''.join(f'Requires-Dist: {r}\\n' for r in requires),\n         \
            info + 'WHEEL': 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}\n\
        record = ''\n\
        with zipfile.ZipFile(path, 'w') as wheel:\n    \
            for file, text in files.items():\n        \
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()\n        \
                record += f'{file},sha256={digest},{len(text)}\\n'\n        \
                wheel.writestr(file, text)\n    \
            wheel.writestr(info + 'RECORD', record + info + 'RECORD,,\\n')\n";
    let path = index.join(format!("{name}-{version}-py3-none-any.whl"));
    output(Command::new(&pythons()[0].path).args(["-I", "-c", script, name, version]).arg(path).args(requires));
}
