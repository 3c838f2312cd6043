//! Sources of packages, with a build backend of their own: nothing has to be had to build them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BACKEND: &str = r#"
import base64, hashlib, os, zipfile
HERE = os.path.dirname(os.path.abspath(__file__))
NAME, HANGS = open(os.path.join(HERE, 'name')).read().split()

def wheel(folder, editable):
    if HANGS != '-':
        import subprocess, time
        child = subprocess.Popen(['sleep', '1000'])
        with open(HANGS + '.new', 'w') as file:
            file.write(f'{os.getpid()} {child.pid}')
        os.rename(HANGS + '.new', HANGS)
        time.sleep(1000)
    info = f'{NAME}-1.0.dist-info/'
    files = {
        info + 'METADATA': f'Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n',
        info + 'WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    if editable:
        files[f'__editable__.{NAME}.pth'] = HERE + '\n'
    else:
        files[NAME + '.py'] = open(os.path.join(HERE, NAME + '.py')).read()
    name = f'{NAME}-1.0-py3-none-any.whl'
    record = ''
    with zipfile.ZipFile(os.path.join(folder, name), 'w') as archive:
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
            record += f'{path},sha256={digest},{len(text)}\n'
            archive.writestr(path, text)
        archive.writestr(info + 'RECORD', record + info + 'RECORD,,\n')
    return name

def build_wheel(folder, config_settings=None, metadata_directory=None):
    return wheel(folder, False)

def build_editable(folder, config_settings=None, metadata_directory=None):
    return wheel(folder, True)
"#;

/// Writes the source of the package `name` into `folder`.
pub(crate) fn project(folder: &Path, name: &str) -> PathBuf {
    write(folder, name, "-")
}

/// A source whose build starts a process, writes both process ids to `told`, and hangs.
pub(crate) fn hanging_project(folder: &Path, name: &str, told: &Path) -> PathBuf {
    write(folder, name, told.to_str().unwrap())
}

fn write(folder: &Path, name: &str, hangs: &str) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let toml = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    fs::write(folder.join("pyproject.toml"), toml).unwrap();
    fs::write(folder.join("backend.py"), BACKEND).unwrap();
    fs::write(folder.join("name"), format!("{name} {hangs}")).unwrap();
    fs::write(folder.join(format!("{name}.py")), "version = '1.0'\n").unwrap();
    folder.to_owned()
}

/// Makes a repository of a folder, with the tag `v1`; false where there is no git.
pub(crate) fn repository(folder: &Path) -> bool {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b.test"]).args(arguments).current_dir(folder);
        command.output().is_ok_and(|output| output.status.success())
    };
    let made = git(&["init", "-q", "."]) && git(&["add", "-A"]) && git(&["commit", "-qm", "x"]) && git(&["tag", "v1"]);
    if !made {
        eprintln!("SKIPPED: there is no git");
    }
    made
}
