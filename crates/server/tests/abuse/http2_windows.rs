//! Streams over HTTP/2 that never end, and what they may send.

use crate::attack::harms_no_other;
use crate::frames::*;

#[test]
fn streams_that_are_opened_and_never_continued() {
    let flood: Vec<u8> = (0..5000).flat_map(|request| call(stream_of(request), 0)).collect();
    let few: Vec<u8> = (0..300).flat_map(|request| call(stream_of(request), 0)).collect();
    harms_no_other(32, |server| {
        // More than a connection has streams are refused; a client that does not mind is sent away.
        expect_reset(server.rpc, &few, stream_of(299), REFUSED_STREAM);
        send(server.rpc, &flood).expect_end(&[ENHANCE_YOUR_CALM]);
    });
}

#[test]
fn windows_that_grow_by_nothing_or_too_far() {
    let grow = |stream: u32, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    let open = |frames: &[u8]| [&call(1, 0), frames].concat();
    let (nothing, far) = (grow(0, 0), grow(0, 0x7fff_ffff));
    let (nothing_of_one, far_of_one) = (open(&grow(1, 0)), open(&grow(1, 0x7fff_ffff)));
    let flood = open(&[grow(0, 1), grow(1, 1)].concat().repeat(10_000));
    harms_no_other(16, |server| {
        send(server.rpc, &nothing).expect_end(&[PROTOCOL_ERROR]);
        send(server.rpc, &far).expect_end(&[FLOW_CONTROL_ERROR]);
        send(server.rpc, &nothing_of_one).expect_end(&[PROTOCOL_ERROR]);
        expect_reset(server.rpc, &far_of_one, 1, FLOW_CONTROL_ERROR);
        send(server.rpc, &flood).expect_served();
    });
}

#[test]
fn data_beyond_the_window() {
    // A message that its head says is long, on more streams than the window of the connection has room for.
    let piece = vec![b'x'; 16_000];
    let one = |request| {
        let stream = stream_of(request);
        let message = [&[0, 3, 255, 255, 255][..], &piece[5..]].concat();
        [call(stream, 0), frame(DATA, 0, stream, &message), frame(DATA, 0, stream, &piece).repeat(30)].concat()
    };
    let flood: Vec<u8> = (0..60).flat_map(one).collect();
    // The window of the connection is the most that the server may have to hold of each attacker.
    harms_no_other(48, |server| {
        let heard = send(server.rpc, &flood);
        assert!(heard.is_served || heard.goaway.is_none_or(|reason| reason == FLOW_CONTROL_ERROR), "{heard:?}");
    });
}

#[test]
fn data_where_none_belong() {
    let data = frame(DATA, 0, 1, b"x");
    let large = frame(DATA, 0, 1, &vec![0; 300 << 10]);
    let ended = [call(1, END_STREAM), data.clone()].concat();
    let too_large = [call(1, 0), large].concat();
    let lengths = [frame(PING, 0, 0, b"short"), frame(SETTINGS, 0, 0, b"short"), frame(WINDOW_UPDATE, 0, 0, b"x")];
    harms_no_other(16, |server| {
        send(server.rpc, &data).expect_end(&[PROTOCOL_ERROR]);
        let heard = send(server.rpc, &ended);
        let closed = heard.resets.iter().any(|(_, reason)| *reason == STREAM_CLOSED);
        assert!(
            closed || heard.goaway.is_none_or(|reason| [STREAM_CLOSED, PROTOCOL_ERROR].contains(&reason)),
            "{heard:?}"
        );
        send(server.rpc, &too_large).expect_end(&[FRAME_SIZE_ERROR]);
        for wrong in &lengths {
            send(server.rpc, wrong).expect_end(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]);
        }
    });
}
