//! Floods of small frames over HTTP/2.

use crate::attack::{harms_no_other, say_deaf};
use crate::frames::*;

/// How many frames a flood has.
const MANY: usize = 20_000;

#[test]
fn rapid_reset() {
    let cancel = CANCEL.to_be_bytes();
    let one = |request| {
        let stream = stream_of(request);
        [call(stream, END_STREAM), frame(RST_STREAM, 0, stream, &cancel)].concat()
    };
    let flood: Vec<u8> = (0..4000).flat_map(one).collect();
    harms_no_other(16, |server| {
        let heard = send(server.rpc, &flood);
        assert!(heard.is_served || heard.goaway.is_none_or(|reason| reason == ENHANCE_YOUR_CALM), "{heard:?}");
    });
}

#[test]
fn rapid_reset_of_whole_calls() {
    let cancel = CANCEL.to_be_bytes();
    let one = |request| {
        let stream = stream_of(request);
        [evaluate(stream, "0"), frame(RST_STREAM, 0, stream, &cancel)].concat()
    };
    let flood: Vec<u8> = (0..2000).flat_map(one).collect();
    harms_no_other(16, |server| {
        let heard = send(server.rpc, &flood);
        assert!(heard.is_served || heard.goaway.is_none_or(|reason| reason == ENHANCE_YOUR_CALM), "{heard:?}");
    });
}

#[test]
fn flood_of_settings() {
    // The size of the table for headers, up and down again.
    let one = [frame(SETTINGS, 0, 0, &[0, 1, 255, 255, 255, 255]), frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0])].concat();
    let (flood, more) = (one.repeat(MANY / 2), one.repeat(10 * MANY));
    harms_no_other(16, |server| {
        let heard = send(server.rpc, &flood);
        heard.expect_served();
        assert_eq!(heard.settings_acks, MANY + 1);
        say_deaf(server, &connect(server.rpc), &more);
    });
}

#[test]
fn flood_of_pings() {
    let one = frame(PING, 0, 0, b"12345678");
    let (flood, more) = (one.repeat(MANY), one.repeat(20 * MANY));
    harms_no_other(16, |server| {
        let heard = send(server.rpc, &flood);
        heard.expect_served();
        assert_eq!(heard.pongs, MANY);
        say_deaf(server, &connect(server.rpc), &more);
    });
}

#[test]
fn flood_of_answers_that_nobody_asked_for() {
    let flood = [frame(PING, ACK, 0, b"12345678"), frame(SETTINGS, ACK, 0, &[])].concat().repeat(MANY / 2);
    harms_no_other(16, |server| {
        let heard = send(server.rpc, &flood);
        assert!(heard.is_served || heard.goaway.is_none_or(|reason| reason == PROTOCOL_ERROR), "{heard:?}");
    });
}

#[test]
fn flood_of_empty_data() {
    let flood = [call(1, 0), frame(DATA, 0, 1, &[]).repeat(MANY)].concat();
    harms_no_other(16, |server| send(server.rpc, &flood).expect_end(&[ENHANCE_YOUR_CALM]));
}

#[test]
fn flood_of_data_by_the_byte() {
    // Its length says that it is a large message.
    let first = frame(DATA, 0, 1, &[0, 0, 255, 255, 255]);
    let flood = [call(1, 0), first, frame(DATA, 0, 1, b"x").repeat(MANY)].concat();
    // Each byte that waits to be read may keep the piece of memory it came in.
    harms_no_other(48, |server| {
        let heard = send(server.rpc, &flood);
        assert!(heard.is_served || heard.goaway.is_none_or(|reason| reason == ENHANCE_YOUR_CALM), "{heard:?}");
    });
}

#[test]
fn flood_of_padding() {
    // Nothing but padding, 255 bytes of it.
    let padded = frame(DATA, 8, 1, &[&[255], &[0; 255][..]].concat());
    let flood = [call(1, 0), padded.repeat(MANY)].concat();
    harms_no_other(16, |server| send(server.rpc, &flood).expect_end(&[ENHANCE_YOUR_CALM]));
}

#[test]
fn loops_of_priority() {
    let after = |stream: u32, other: u32| frame(PRIORITY, 0, stream, &[&other.to_be_bytes()[..], &[255]].concat());
    let flood = [after(1, 3), after(3, 5), after(5, 1)].concat().repeat(MANY / 3);
    let many: Vec<u8> = (0..MANY).flat_map(|request| after(stream_of(request), stream_of(request + 1))).collect();
    let itself = after(1, 1).repeat(MANY);
    harms_no_other(16, |server| {
        send(server.rpc, &flood).expect_served();
        send(server.rpc, &many).expect_served();
        let heard = send(server.rpc, &itself);
        assert!(
            heard.is_served || heard.goaway.is_none_or(|reason| [PROTOCOL_ERROR, ENHANCE_YOUR_CALM].contains(&reason)),
            "{heard:?}"
        );
    });
}

#[test]
fn frames_of_unknown_kinds() {
    let flood: Vec<u8> = (0..MANY).flat_map(|n| frame(0x20 + (n % 0xd0) as u8, n as u8, 0, b"nothing")).collect();
    harms_no_other(16, |server| send(server.rpc, &flood).expect_served());
}
