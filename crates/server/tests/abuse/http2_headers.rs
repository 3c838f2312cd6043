//! Headers over HTTP/2 that are too many, too large, or larger than they look.

use std::io::Write;

use crate::attack::harms_no_other;
use crate::frames::*;

/// The first byte of a literal that is remembered, and of the header that was remembered last.
const REMEMBERED: u8 = 0x40;
const LAST_REMEMBERED: u8 = 0x80 | 62;

#[test]
fn flood_of_continuations() {
    let beginning = frame(HEADERS, END_STREAM, 1, &call_headers());
    let header = literal(0, "x", &"y".repeat(1000));
    for more in [&header[..], b""] {
        let flood = [beginning.clone(), frame(CONTINUATION, 0, 1, more).repeat(20_000)].concat();
        // A pile of headers is no reason to keep them.
        harms_no_other(16, |server| {
            send(server.rpc, &flood).expect_end(&[ENHANCE_YOUR_CALM, COMPRESSION_ERROR, PROTOCOL_ERROR]);
        });
    }
}

#[test]
fn headers_that_are_too_large() {
    let large = |size: usize| {
        let block = [call_headers(), literal(0, "x", &"y".repeat(size))].concat();
        let mut pieces = block.chunks(16_000).peekable();
        let mut frames = frame(HEADERS, END_STREAM, 1, pieces.next().expect("one"));
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            frames.extend(frame(CONTINUATION, flags, 1, piece));
        }
        frames
    };
    let (refused, endless) = (large(40_000), large(4 << 20));
    harms_no_other(32, |server| {
        let stream = connect(server.rpc);
        (&stream).write_all(&refused).expect("sent");
        let heard = listen(&stream, |heard| heard.headers == 1);
        assert_eq!(heard.headers, 1, "it is answered: {heard:?}");
        send(server.rpc, &endless).expect_end(&[ENHANCE_YOUR_CALM, COMPRESSION_ERROR, PROTOCOL_ERROR]);
    });
}

#[test]
fn headers_that_are_larger_than_they_look() {
    // Sixty megabytes in sixteen kilobytes.
    let large = literal(REMEMBERED, "x", &"y".repeat(3900));
    let block = [call_headers(), large, vec![LAST_REMEMBERED; 12_000]].concat();
    let bomb = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
    // The same again, in requests that remember.
    let again = |request| {
        frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            stream_of(request),
            &[call_headers(), vec![LAST_REMEMBERED; 15_000]].concat(),
        )
    };
    let bombs: Vec<u8> = bomb.iter().copied().chain((1..10).flat_map(again)).collect();
    harms_no_other(32, |server| {
        let heard = send(server.rpc, &bombs);
        assert!(heard.is_served || heard.goaway.is_none_or(|reason| reason == ENHANCE_YOUR_CALM), "{heard:?}");
    });
}

#[test]
fn headers_that_cannot_be_read() {
    // An index that nothing has, a table that is larger than agreed on, and a text without an end.
    for block in [&[0xff, 0xff, 0xff, 0xff, 0x7f][..], &[0x3f, 0xff, 0xff, 0xff, 0x7f], &[0, 127, 0xff, 0xff, 0x7f]] {
        let broken = frame(HEADERS, END_STREAM | END_HEADERS, 1, block);
        harms_no_other(16, |server| send(server.rpc, &broken).expect_end(&[COMPRESSION_ERROR, PROTOCOL_ERROR]));
    }
}
