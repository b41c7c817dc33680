use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn read(values: &[&[u8]]) -> Result<(String, Vec<u8>), &'static str> {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_bytes(value).expect("a header value");
        headers.append(AUTHORIZATION, value);
    }
    match Buffer::new().read(&headers) {
        Ok(found) => Ok((found.sid.to_string(), found.secret.to_vec())),
        Err(Denial::MissingCredentials) => Err("missing"),
        Err(Denial::BadCredentials) => Err("bad"),
        Err(other) => panic!("{other:?}"),
    }
}

fn basic(decoded: impl AsRef<[u8]>) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(decoded)).into_bytes()
}

fn alice() -> Result<(String, Vec<u8>), &'static str> {
    Ok(("alice".into(), b"TA".to_vec()))
}

#[test]
fn the_scheme_is_basic_in_any_case_and_spaces() {
    for scheme in ["Basic ", "basic ", "BASIC ", "bAsIc    "] {
        assert_eq!(read(&[format!("{scheme}YWxpY2U6VEE=").as_bytes()]), alice());
    }
    for value in [
        "",
        "Basic",
        "Basic ",
        " ",
        "BasicYWxpY2U6VEE=",
        "Basic\tYWxpY2U6VEE=",
        "Basic \tYWxpY2U6VEE=",
        "Bearer YWxpY2U6VEE=",
        "Digest YWxpY2U6VEE=",
        "Basicx YWxpY2U6VEE=",
        "Basi YWxpY2U6VEE=",
        "YWxpY2U6VEE=",
        "Basic alice:TA",
        "Basic YWxpY2U6VEE=, Basic YWxpY2U6VEE=",
        "Basic,YWxpY2U6VEE=",
    ] {
        assert_eq!(read(&[value.as_bytes()]), Err("bad"), "{value:?}");
    }
}

#[test]
fn one_header_is_read_and_two_are_refused() {
    let [good, bad] = [&basic("alice:TA")[..], b"Basic !"];
    assert_eq!(read(&[]), Err("missing"));
    assert_eq!(read(&[good]), alice());
    for two in [[good, bad], [bad, good], [good, good], [good, b""]] {
        assert_eq!(read(&two), Err("bad"));
    }
}

#[test]
fn base64_has_one_spelling() {
    // Of `alice:TA` (one `=`), `alice:TAB` (none), and `alice:T` (two), and of `alice:~~~`,
    // whose URL-safe form differs.
    for good in [
        "YWxpY2U6VEE=",
        "YWxpY2U6VEFC",
        "YWxpY2U6VA==",
        "YWxpY2U6fn5+",
    ] {
        assert!(
            read(&[format!("Basic {good}").as_bytes()]).is_ok(),
            "{good}"
        );
    }
    for bad in [
        "YWxpY2U6VEE",
        "YWxpY2U6VEE==",
        "YWxpY2U6VEF=",
        "YWxpY2U6VEG=",
        "YWxpY2U6VB==",
        "YWxpY2U6VA=",
        "YWxpY2U6VA",
        "YWxpY2U6VEFC=",
        "YWxpY2U6VEFC====",
        "YWxpY2U6fn5-",
        "YWxp Y2U6VEE=",
        "YWxpY2U6VEE= ",
        "YWxp\tY2U6VEE=",
        "YWxpY2U6VEE=YWxp",
        "Y",
        "=",
        "====",
        "YWxpY2U6VEE%3D",
    ] {
        assert_eq!(
            read(&[format!("Basic {bad}").as_bytes()]),
            Err("bad"),
            "{bad:?}"
        );
    }
}

#[test]
fn the_first_colon_ends_the_sid() {
    assert_eq!(
        read(&[&basic("alice:T:A:")]),
        Ok(("alice".into(), b"T:A:".to_vec()))
    );
    assert_eq!(
        read(&[&basic("alice::")]),
        Ok(("alice".into(), b":".to_vec()))
    );
    for bad in [
        "alice",
        "alice:",
        ":TA",
        ":",
        "",
        "al ice:TA",
        "älice:TA",
        "alice :TA",
    ] {
        assert_eq!(read(&[&basic(bad)]), Err("bad"), "{bad:?}");
    }
    let [longest, longer] = [64, 65].map(|len| basic(format!("{}:TA", "x".repeat(len))));
    assert!(read(&[&longest]).is_ok());
    assert_eq!(read(&[&longer]), Err("bad"));
}

#[test]
fn control_characters_are_refused_and_other_bytes_are_not() {
    for byte in (0..32).chain([127]) {
        assert_eq!(
            read(&[&basic([b"alice:T", &[byte][..]].concat())]),
            Err("bad")
        );
    }
    for secret in ["pä:ss wörd".as_bytes(), &[0xff, 0x80]] {
        let value = basic([b"alice:", secret].concat());
        assert_eq!(read(&[&value]), Ok(("alice".into(), secret.to_vec())));
    }
}

#[test]
fn the_value_is_bounded() {
    // `Basic ` and 1,016 characters are 1,022 bytes; four more are too many.
    let [fits, long] = [762, 765].map(|len| basic([b"a:", &vec![b'x'; len - 2][..]].concat()));
    assert_eq!((fits.len(), long.len()), (1022, 1026));
    assert_eq!(read(&[&fits]), Ok(("a".into(), vec![b'x'; 760])));
    assert_eq!(read(&[&long]), Err("bad"));
    assert_eq!(read(&[&basic(vec![b'x'; 45_000])]), Err("bad"));
}

#[test]
fn neither_is_printed() {
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_static("Basic YWxpY2U6VEE="),
    );
    let mut buffer = Buffer::new();
    let found = buffer.read(&headers).expect("credentials");
    assert_eq!(format!("{found:?}"), "Credentials(alice, ..)");
    assert_eq!(format!("{buffer:?}"), "Buffer(..)");
}

#[test]
fn a_buffer_used_again_shows_nothing_of_before() {
    let mut buffer = Buffer::new();
    buffer.decode(b"YWxpY2U6VEE=").expect("base64");
    assert_eq!(buffer.decode(b"!"), None);
    assert_eq!(buffer.bytes, [0; MAX_DECODED]);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        sid in "[A-Za-z0-9._~-]{1,64}",
        secret in "[^\\x00-\\x1f\\x7f]{1,100}",
    ) {
        let value = basic(format!("{sid}:{secret}"));
        prop_assert_eq!(read(&[&value]), Ok((sid, secret.into_bytes())));
    }

    /// Whatever is accepted is spelt as it would be written, but for scheme and spaces.
    #[test]
    fn nothing_else_is(
        decoded in "[a-c:]{0,6}",
        at in 0..20_usize,
        other in proptest::sample::select(b"AQgw+/-_= \x09B".to_vec()),
    ) {
        let mut value = basic(decoded);
        if let Some(byte) = value.get_mut(6 + at) {
            *byte = other;
        }
        if let Ok((sid, secret)) = read(&[&value]) {
            let written = basic([sid.as_bytes(), b":", &secret].concat());
            prop_assert_eq!(value, written);
        }
    }
}
