use proptest::prelude::*;

use super::*;

fn form(path: &str) -> Result<String, BadPath> {
    canonical(path).map(Cow::into_owned)
}

#[test]
fn canonical_paths_are_borrowed() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/v1/items/12",
        "/a.b/..c/d../...",
        "/A-Z_~!$&'()*+,=:@",
    ] {
        assert!(
            matches!(canonical(path), Ok(Cow::Borrowed(same)) if same == path),
            "{path}"
        );
    }
}

#[test]
fn equivalent_spellings_have_one_form() {
    for (path, expected) in [
        ("/%41", "/A"),
        ("/%7E%7e", "/~~"),
        ("/%2D%5f", "/-_"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/%21", "/%21"),
        ("/%2b/+", "/%2B/+"),
        ("/a[1]|{x}^\"", "/a%5B1%5D%7C%7Bx%7D%5E%22"),
        ("/<`>", "/%3C%60%3E"),
        ("/%5b", "/%5B"),
        ("/x%2e%2ey", "/x..y"),
        ("/%2e%2e%2e", "/..."),
        ("/%61/", "/a/"),
    ] {
        assert_eq!(form(path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn what_readers_could_take_apart_is_refused() {
    use BadPath::*;
    for (path, fault) in [
        ("", NotRooted),
        ("*", NotRooted),
        ("a/b", NotRooted),
        ("%2Fa", NotRooted),
        ("/.", DotSegment),
        ("/..", DotSegment),
        ("/./a", DotSegment),
        ("/a/../b", DotSegment),
        ("/a/%2e%2E/b", DotSegment),
        ("/a/.%2e", DotSegment),
        ("/a/%2e./", DotSegment),
        ("/%2e", DotSegment),
        ("//", EmptySegment),
        ("//a", EmptySegment),
        ("/a//", EmptySegment),
        ("/a//b", EmptySegment),
        ("/%41//b", EmptySegment),
        ("/%41//", EmptySegment),
        ("/a\\b", Backslash),
        ("/a%5cb", Backslash),
        ("/a;b", Semicolon),
        ("/a%3Bb", Semicolon),
        ("/..;/", Semicolon),
        ("/a%2fb", EncodedDelimiter),
        ("/a%2Fb", EncodedDelimiter),
        ("/%25", EncodedDelimiter),
        ("/%252e", EncodedDelimiter),
        ("/%3f", EncodedDelimiter),
        ("/%23", EncodedDelimiter),
        ("/a?b", Delimiter),
        ("/a#b", Delimiter),
        ("/a\0", Control),
        ("/a\t", Control),
        ("/a\x7f", Control),
        ("/%00", Control),
        ("/%0d%0a", Control),
        ("/%1f", Control),
        ("/%7F", Control),
        ("/a b", Space),
        ("/é", NotAscii),
        ("/%41é", NotAscii),
        ("/%", MalformedEscape),
        ("/%4", MalformedEscape),
        ("/%zz", MalformedEscape),
        ("/%4g", MalformedEscape),
        ("/%u002e", MalformedEscape),
        ("/%%0000", MalformedEscape),
        ("/%é", MalformedEscape),
    ] {
        assert_eq!(form(path), Err(fault), "{path:?}");
    }
}

/// Paths made of what attacks are made of.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-c/.]".boxed(),
        1 => "%[0-9a-fA-F]{2}".boxed(),
        1 => proptest::sample::select(vec![
            "%2e", "%2E", "%2f", "%5c", "%3b", "%", "%25", "%00", "%41", "%7e", "[", "{", "\"", "|",
            "\\", ";", "?", "#", " ", "é", "//", "..", "%C3%A9", "%c3",
        ])
        .prop_map(str::to_owned)
        .boxed(),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Decodes every escape: what a lenient reader takes the path for.
fn decoded(path: &str) -> Vec<u8> {
    let mut bytes = path.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex(bytes.next()), hex(bytes.next()));
            out.push(high.expect("valid") << 4 | low.expect("valid"));
        } else {
            out.push(byte);
        }
    }
    out
}

proptest! {
    #[test]
    fn the_form_is_its_own_form(path in hostile()) {
        if let Ok(form) = canonical(&path) {
            let again = canonical(&form);
            prop_assert_eq!(again.as_deref(), Ok(form.as_ref()));
        }
    }

    #[test]
    fn no_reader_finds_another_structure(path in hostile()) {
        if let Ok(form) = canonical(&path) {
            let seen = decoded(&form);
            // The same path as the one that came, however it is decoded,
            prop_assert_eq!(&seen, &decoded(&path));
            // with the same number of segments,
            let slashes = |bytes: &[u8]| bytes.iter().filter(|&&b| b == b'/').count();
            prop_assert_eq!(slashes(form.as_bytes()), slashes(&seen));
            // none of which moves up or vanishes, and nothing that ends a path or segment.
            let segments: Vec<&[u8]> = seen.split(|&b| b == b'/').skip(1).collect();
            for (at, segment) in segments.iter().enumerate() {
                prop_assert!(*segment != b"." && *segment != b"..");
                prop_assert!(!segment.is_empty() || at + 1 == segments.len());
            }
            prop_assert!(seen.iter().all(|b| !b"\\;%?#".contains(b) && !b.is_ascii_control()));
        }
    }

    #[test]
    fn the_form_holds_only_what_rfc_3986_allows(path in hostile()) {
        if let Ok(form) = canonical(&path) {
            prop_assert!(form.bytes().all(|b| is_unreserved(b) || b"/%!$&'()*+,=:@".contains(&b)));
            for escape in form.split('%').skip(1) {
                let digits = escape.get(..2).unwrap_or_default();
                prop_assert!(digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')));
            }
        }
    }

    /// Escaping what may be escaped without a change of meaning changes nothing, in
    /// either case of the digits.
    #[test]
    fn spellings_of_one_path_meet(path in "(/[a-z.~0-9\\[\\]|\"]{1,5}){1,4}", mask: u64, lower: bool) {
        let spelt: String = path
            .bytes()
            .enumerate()
            .map(|(at, byte)| match (byte == b'/' || mask >> (at % 64) & 1 == 0, lower) {
                (true, _) => char::from(byte).to_string(),
                (false, true) => format!("%{byte:02x}"),
                (false, false) => format!("%{byte:02X}"),
            })
            .collect();
        prop_assert_eq!(form(&spelt), form(&path));
    }
}
