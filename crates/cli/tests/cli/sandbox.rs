//! Sandboxes that refuse system calls.

use std::path::PathBuf;
use std::process::Command;

use super::test_home::{CommandOutput, TestHome};

/// Runs a program for which `pidfd_open`, or any socket of IP, is refused.
const DENY: &str = r#"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
int main(int argc, char **argv) {
    struct sock_filter pidfd[] = {LOAD(nr), EQUAL(434, 0, 1), RETURN(SECCOMP_RET_ERRNO | EPERM), RETURN(SECCOMP_RET_ALLOW)};
    struct sock_filter ip[] = {
        LOAD(nr), EQUAL(SYS_socket, 0, 3), LOAD(args[0]), EQUAL(AF_INET, 2, 0), EQUAL(AF_INET6, 1, 0),
        RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ERRNO | EACCES),
    };
    int is_ip = strcmp(argv[1], "ip") == 0;
    struct sock_fprog program = {is_ip ? sizeof ip / sizeof *ip : sizeof pidfd / sizeof *pidfd, is_ip ? ip : pidfd};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 99;
    execvp(argv[2], argv + 2);
    return 98;
}
"#;

struct Sandbox<'a> {
    home: &'a TestHome,
    program: PathBuf,
}

impl Sandbox<'_> {
    fn new(home: &TestHome) -> Sandbox<'_> {
        let (source, program) = (home.directory().join("deny.c"), home.directory().join("deny"));
        std::fs::write(&source, DENY).unwrap();
        let compiled = Command::new("cc").arg("-o").arg(&program).arg(&source).output().unwrap();
        assert!(compiled.status.success(), "{compiled:?}");
        Sandbox { home, program }
    }

    fn run(&self, denied: &str, arguments: &[&str]) -> CommandOutput {
        let here = self.home.command(arguments);
        let mut command = Command::new(&self.program);
        command.arg(denied).arg(here.get_program()).args(here.get_args()).current_dir(self.home.directory());
        command.envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = CommandOutput::from(command.output().unwrap());
        assert!(output.code != Some(99) && output.code != Some(98), "no sandbox here: {output:?}");
        output
    }
}

#[test]
fn denied_pidfd_open_is_named_and_nothing_is_left() {
    let home = TestHome::with_runtime();
    home.success(&["eval", "1"]);
    let sandbox = Sandbox::new(&home);
    let hint = "hint: it takes a Linux kernel from 5.3 up, and a sandbox or container that allows the call\n";
    for arguments in [&["start", "pipe"][..], &["start", "http", "--port", "0"], &["eval", "1 + 1"]] {
        let output = sandbox.run("pidfd", arguments);
        assert!(
            output.code == Some(1) && output.stderr.contains("the system call pidfd_open is refused"),
            "{output:?}"
        );
        assert!(output.stderr.ends_with(hint), "{output:?}");
        home.wait_until_no_process_is_left();
    }
    home.start(&[]);
    let stopped = sandbox.run("pidfd", &["stop"]);
    assert!(stopped.code == Some(1) && stopped.stderr.contains("pidfd_open is refused"), "{stopped:?}");
    assert_eq!(home.json(&["status"])[0]["state"], "running");
    assert!(sandbox.run("pidfd", &["config"]).stdout.contains("WRONG  pidfd_open: "));
}

#[test]
fn without_ip_the_message_says_so_and_the_pipe_works() {
    let home = TestHome::with_runtime();
    let sandbox = Sandbox::new(&home);
    for arguments in [&["start", "http", "--port", "0"][..], &["start", "rpc", "pipe", "--rpc-port", "0"]] {
        let output = sandbox.run("ip", arguments);
        assert!(
            output.code == Some(1) && output.stderr.contains("allows no sockets of the Internet protocol"),
            "{output:?}"
        );
        assert!(output.stderr.ends_with("hint: `beep-python start pipe` needs none\n"), "{output:?}");
    }
    let evaluated = sandbox.run("ip", &["eval", "6 * 7"]);
    assert_eq!((evaluated.code, evaluated.stdout.as_str()), (Some(0), "42\n"), "{evaluated:?}");
    let toured = sandbox.run("ip", &["quickstart", "--python", super::test_home::python()]);
    assert!(toured.code == Some(0) && toured.stdout.contains("over pipe"), "{toured:?}");
    let started = sandbox.run("ip", &["start", "pipe"]);
    assert_eq!(started.code, Some(0), "{started:?}");
    assert_eq!(sandbox.run("ip", &["eval", "--session", "default", "1 + 1"]).stdout, "2\n");
    assert_eq!(sandbox.run("ip", &["stop"]).code, Some(0));
    assert!(sandbox.run("ip", &["config"]).stdout.contains("`beep-python start pipe` works without"));
}
