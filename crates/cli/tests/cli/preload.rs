//! Libraries that stand in for a system that this machine is not: loaded before others, they answer calls in its place.

use std::path::PathBuf;
use std::process::Command;

use super::test_home::TestHome;

/// `flock` as where it is not what it is on a local disk. `NO_FLOCK` has the error that each call fails with; otherwise an exclusive
/// lock needs a descriptor that can write, as on NFS.
pub(crate) const FLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
int flock(int fd, int operation) {
    const char *error = getenv("NO_FLOCK");
    if (error) { errno = atoi(error); return -1; }
    if ((operation & LOCK_EX) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) { errno = EBADF; return -1; }
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(fd, operation);
}
"#;

impl TestHome {
    /// Compiles a library for `LD_PRELOAD`.
    pub(crate) fn preload(&self, source: &str) -> PathBuf {
        let (file, library) = (self.directory().join("preload.c"), self.directory().join("preload.so"));
        std::fs::write(&file, source).unwrap();
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&file).output().unwrap();
        assert!(compiled.status.success(), "{compiled:?}");
        library
    }
}
