//! A connector writes any bytes to the proxy: what is taken for a head reads the same when it is
//! written again, a prefix never says more than the whole, and a body reader always gets on.
#![no_main]

use jail::egress::http::body::{Decoder, Piece};
use jail::egress::http::head::{Framing, RequestHead, ResponseHead, end_of_head};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    let end = end_of_head(bytes, 0, LIMIT);
    let half = bytes.len() / 2;
    match end_of_head(&bytes[..half], 0, LIMIT) {
        Ok(None) => assert_eq!(end_of_head(bytes, half, LIMIT), end),
        Ok(found) => assert_eq!(end, Ok(found)),
        Err(_) => assert!(end.is_err()),
    }
    if let Ok(Some(end)) = end {
        request(&bytes[..end]);
        response(&bytes[..end]);
    }
    let earlier = body(&bytes[..half]);
    assert!(earlier.is_none() || earlier == body(bytes));
});

fn request(bytes: &[u8]) {
    let Ok(head) = RequestHead::parse(bytes) else { return };
    let mut again = Vec::new();
    head.write(&mut again);
    assert_eq!(RequestHead::parse(&again), Ok(head));
}

fn response(bytes: &[u8]) {
    let Ok(head) = ResponseHead::parse(bytes) else { return };
    let mut again = Vec::new();
    head.write(&mut again);
    assert_eq!(ResponseHead::parse(&again), Ok(head));
}

/// The length of the chunked body that `bytes` begin with, `Err` for none, `None`: it goes on.
fn body(bytes: &[u8]) -> Option<Result<usize, &'static str>> {
    let mut decoder = Decoder::new(Some(Framing::Chunked));
    let mut rest = bytes;
    loop {
        match decoder.next(rest) {
            Ok(Piece::Content(count) | Piece::Syntax(count)) => {
                assert!(count > 0);
                rest = &rest[count..];
            }
            Ok(Piece::More) => return None,
            Ok(Piece::Done) => return Some(Ok(bytes.len() - rest.len())),
            Err(why) => return Some(Err(why)),
        }
    }
}
