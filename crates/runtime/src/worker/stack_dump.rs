//! Where a worker is: the stacks of its threads, as the interpreter's own fault handler writes them, which runs even while native code
//! does.

use std::time::Duration;

use beep_python_protocol::{Frame, StackFrame, ThreadStack};
use tokio::time::{Instant, sleep};

use crate::worker::package::BOOT;
use crate::worker::shared_page::SharedPage;
use crate::worker::worker::Worker;

/// How long a worker may take to write its stacks; one that is stopped, or in the kernel for long, writes none.
const DUMP_TIMEOUT: Duration = Duration::from_millis(500);
/// The dump is over after so long without more of it: the stack of a thread deep in calls, or in a greenlet, has no known end.
const QUIET_TIME: Duration = Duration::from_millis(100);
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Files whose frames are the worker's own.
const OWN: &str = "/beep_python/_";

/// The stacks of all threads of a worker; none where it does not answer in time. One at a time: all of a worker's dumps go to the same
/// memory.
pub(crate) async fn stacks(worker: &Worker, page: &SharedPage) -> Vec<ThreadStack> {
    if page.reset_stack_dump().is_err() {
        return Vec::new();
    }
    worker.request_stack_dump();
    let began = Instant::now();
    let (mut dump, mut grown_at) = (Vec::<u8>::new(), began);
    while began.elapsed() < DUMP_TIMEOUT && !is_whole(&String::from_utf8_lossy(&dump)) {
        sleep(POLL_INTERVAL).await;
        let before = dump.len();
        let _ = page.read_stack_dump(&mut dump);
        if dump.len() > before {
            grown_at = Instant::now();
        } else if !dump.is_empty() && grown_at.elapsed() >= QUIET_TIME {
            break;
        }
    }
    let _ = page.reset_stack_dump();
    parse(&String::from_utf8_lossy(&dump))
}

/// Where the main thread is, outermost frame first, as a traceback has it.
pub(crate) async fn main_stack(worker: &Worker, page: &SharedPage) -> Vec<Frame> {
    let main = stacks(worker, page).await.into_iter().find(|thread| thread.main);
    let frames = main.map_or_else(Vec::new, |thread| thread.frames);
    let told = |StackFrame { file, line, function }| Frame {
        file,
        line: u32::try_from(line).unwrap_or(0),
        function,
        ..Frame::default()
    };
    frames.into_iter().rev().map(told).collect()
}

/// Whether it ends as the main thread does, which is the oldest and written last: with what Python was started with.
fn is_whole(text: &str) -> bool {
    let last = text.strip_suffix('\n').and_then(|text| parse_frame(text.lines().next_back()?.trim_start()));
    last.is_some_and(|frame| frame.file.ends_with(BOOT))
}

/// Reads what faulthandler writes: for each thread a line `Thread 0x… (most recent call first):`, then its frames as
/// `  File "…", line 3 in name`.
pub(super) fn parse(text: &str) -> Vec<ThreadStack> {
    let mut threads: Vec<ThreadStack> = Vec::new();
    for line in text.lines() {
        let head = line.strip_prefix("Current thread ").or_else(|| line.strip_prefix("Thread "));
        if let Some(head) = head {
            let thread = head.split([' ', '[']).next().unwrap_or_default().to_owned();
            threads.push(ThreadStack { thread, main: false, frames: Vec::new() });
        } else if let (Some(frame), Some(thread)) = (parse_frame(line.trim_start()), threads.last_mut()) {
            if frame.file.contains(OWN) {
                thread.main |= frame.file.ends_with("_worker.py");
            } else {
                thread.frames.push(frame);
            }
        }
    }
    threads
}

fn parse_frame(line: &str) -> Option<StackFrame> {
    let (file, rest) = line.strip_prefix("File \"")?.rsplit_once("\", line ")?;
    let (number, function) = rest.split_once(" in ")?;
    Some(StackFrame { file: file.to_owned(), line: number.parse().ok()?, function: function.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_dump_is_parsed() {
        let text = "Thread 0x00007f1 (most recent call first):\n  File \"/lib/threading.py\", line 9 in wait\n\n\
            Current thread 0x00007f2 [python] (most recent call first):\n  File \"<string>\", line 3 in deep\n  \
            File \"<session 1>\", line 5 in <module>\n  File \"/x/beep_python/_worker.py\", line 7 in run\n  \
            File \"/x/beep_python/_boot.py\", line 1 in <module>\n  ...\n";
        let threads = parse(text);
        let told: Vec<_> = threads.iter().map(|t| (t.thread.as_str(), t.main, t.frames.len())).collect();
        assert_eq!(told, [("0x00007f1", false, 1), ("0x00007f2", true, 2)]);
        let innermost = StackFrame { file: "<string>".into(), line: 3, function: "deep".into() };
        assert_eq!(threads[1].frames[0], innermost);
        assert_eq!(parse("nonsense"), []);

        let ended = text.strip_suffix("  ...\n").expect("as it is");
        assert!(is_whole(ended));
        for at in 0..ended.len() {
            assert!(!is_whole(&ended[..at]), "{}", &ended[..at]);
        }
        assert!(!is_whole(text), "there may be more threads");
    }
}
