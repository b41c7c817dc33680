//! The status of an answer, from its header block: as much of HPACK (RFC 7541) as it takes.

/// Entries 8 to 14 of the static table (appendix A).
const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];

/// `:status` comes first. What an encoder has put into its dynamic table it names later by
/// that entry, which is not followed: of two answers on one connection with the same status
/// the second has none here, unless that status is in the static table.
pub(super) fn decode(block: &[u8]) -> Option<u16> {
    let mut block = block;
    // Changes of the dynamic table's size (section 6.3), an integer each.
    while let [0x20..=0x3f, rest @ ..] = block {
        let long = block.first().is_some_and(|byte| byte & 0x1f == 0x1f);
        let digits = rest
            .iter()
            .take_while(|byte| long && **byte >= 0x80)
            .count();
        block = rest.get(digits + usize::from(long)..)?;
    }
    let (&first, rest) = block.split_first()?;
    match first {
        0x88..=0x8e => STATIC.get(usize::from(first - 0x88)).copied(),
        // A literal under a name of the static table, indexed from now on or not.
        0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e => {
            let (&length, value) = rest.split_first()?;
            let value = value.get(..usize::from(length & 0x7f))?;
            if length & 0x80 == 0 {
                return std::str::from_utf8(value).ok()?.parse().ok();
            }
            huffman(value)
        }
        _ => None,
    }
}

/// Three digits in the code of appendix B: 0 to 2 have five bits, the others six.
fn huffman(value: &[u8]) -> Option<u16> {
    let mut bits = value
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1)));
    let mut status = 0;
    for _ in 0..3 {
        let five = (0..5).try_fold(0, |code, _| Some(code << 1 | bits.next()?))?;
        let digit = match five {
            0..=2 => five,
            _ => (five << 1 | bits.next()?).checked_sub(0x19 - 3)?,
        };
        status = status * 10 + digit;
    }
    Some(status)
}

#[test]
fn a_status_is_read_in_every_form() {
    assert_eq!(decode(&[0x88]), Some(200));
    assert_eq!(decode(&[0x3f, 0xe1, 0x1f, 0x8d, 0x5f]), Some(404));
    assert_eq!(decode(b"\x08\x03431"), Some(431));
    // Section C.6.1, and section C.6.2.
    assert_eq!(decode(&[0x48, 0x82, 0x64, 0x02, 0x58]), Some(302));
    assert_eq!(decode(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307));
    assert_eq!(decode(&[0xbe]), None);
}
