//! The body reader alone.

use crate::egress::http::body::{Decoder, Piece};
use crate::egress::http::head::Framing;
use proptest::prelude::*;

/// All content, and what is left behind the body; `None` while it is not complete.
fn decode(
    framing: Option<Framing>,
    mut input: &[u8],
) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let mut decoder = Decoder::new(framing);
    let mut content = Vec::new();
    loop {
        match decoder.next(input)? {
            Piece::Content(count) => {
                content.extend_from_slice(&input[..count]);
                input = &input[count..];
            }
            Piece::Syntax(count) => input = &input[count..],
            Piece::More => return Ok(None),
            Piece::Done => return Ok(Some((content, input.len()))),
        }
    }
}

const CHUNKED: Option<Framing> = Some(Framing::Chunked);

#[test]
fn chunks_extensions_and_trailers() {
    let body = b"5;a=\"b\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nrest";
    assert_eq!(decode(CHUNKED, body), Ok(Some((b"hello0123456789".to_vec(), 4))));
    for end in 0..body.len() - 4 {
        assert_eq!(decode(CHUNKED, &body[..end]), Ok(None), "{end}");
    }
}

#[test]
fn lengths() {
    assert_eq!(decode(Some(Framing::Length(3)), b"abcd"), Ok(Some((b"abc".to_vec(), 1))));
    assert_eq!(decode(Some(Framing::Length(3)), b"ab"), Ok(None));
    assert_eq!(decode(Some(Framing::Length(0)), b"ab"), Ok(Some((Vec::new(), 2))));
    assert_eq!(decode(Some(Framing::Absent), b"ab"), Ok(Some((Vec::new(), 2))));
    assert_eq!(decode(None, b"ab"), Ok(None));
}

#[test]
fn what_two_readers_could_read_differently() {
    for bad in [
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\na",
        "0x1\r\na",
        " 1\r\na",
        "1 \r\na",
        "1\na",
        "1\ra",
        ";a\r\n",
        "1\r\nab\r\n",
        "1\r\na\n0\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n\0\r\n\r\n",
        "1\0\r\na\r\n",
        "10000000000000000\r\n",
        "ffffffffffffffffff\r\n",
    ] {
        assert!(decode(CHUNKED, bad.as_bytes()).is_err(), "{bad:?}");
    }
    let long = format!("1;{}", "x".repeat(2000));
    assert!(decode(CHUNKED, long.as_bytes()).is_err());
    let trailers = format!("0\r\n{}", "A: b\r\n".repeat(10_000));
    assert!(decode(CHUNKED, trailers.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        cuts in prop::collection::vec(1usize..9, 1..60),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend(format!("{:X}\r\n", chunk.len()).bytes());
            wire.extend(chunk);
            wire.extend(b"\r\n");
        }
        wire.extend(b"0\r\n\r\n");
        let (mut decoder, mut content) = (Decoder::new(CHUNKED), Vec::new());
        let (mut inbox, mut cuts) = (Vec::new(), cuts.into_iter().cycle());
        let mut rest = wire.as_slice();
        loop {
            match decoder.next(&inbox) {
                Ok(Piece::Content(count)) => content.extend(inbox.drain(..count)),
                Ok(Piece::Syntax(count)) => drop(inbox.drain(..count)),
                Ok(Piece::More) => {
                    prop_assert!(!rest.is_empty());
                    let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                    inbox.extend(now);
                    rest = later;
                }
                Ok(Piece::Done) => break,
                Err(error) => panic!("{error}"),
            }
        }
        prop_assert_eq!(content, chunks.concat());
    }

    #[test]
    fn any_bytes_end_or_want_more(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(CHUNKED, &bytes));
    }
}
