//! Auth tokens: the secret in memory, and the form of those that sidgate makes.
//!
//! A generated auth token is 40 characters: `sgt_`, 30 base-62 characters from the
//! process's CSPRNG (178 bits), and 6 base-62 characters of checksum. The checksum is the
//! CRC-32 (ISO-HDLC, as in zlib) of the 34 bytes before it, written in base 62 with the
//! digits `0-9A-Za-z`, most significant first, padded with `0`. A secret scanner finds
//! one as `\bsgt_[0-9A-Za-z]{36}\b` and can tell it from a look-alike by the checksum.
//! The prefix is reserved: what begins with it and is not of this form was mistyped.

use std::fmt;

use rand::Rng;
use zeroize::{Zeroize, Zeroizing};

/// A secret in memory: no `Display`, a redacted `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(mut bytes: Vec<u8>) -> Self {
        if bytes.len() == bytes.capacity() {
            return Self(Zeroizing::new(bytes.into_boxed_slice()));
        }
        // Shrinking may move the bytes and leave the old ones behind unwiped.
        let exact = Self::copy_of(&bytes);
        bytes.zeroize();
        exact
    }

    /// A copy of bytes that the caller wipes, or that live in a buffer which does.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves, for verifying and for the one answer that shows them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A new auth token: shown once, then kept as a digest alone.
#[derive(Clone, Debug)]
pub struct AuthToken(Secret);

impl AuthToken {
    /// What every generated auth token begins with.
    pub const PREFIX: &str = "sgt_";
    /// The length of a generated auth token in bytes.
    pub const LEN: usize = Self::PREFIX.len() + RANDOM_LEN + CHECKSUM_LEN;

    /// Makes one from the process's CSPRNG, which the operating system seeds.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.extend_from_slice(Self::PREFIX.as_bytes());
        extend_base62(&mut bytes, RANDOM_LEN);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        Self(Secret::new(bytes))
    }

    /// The auth token as text, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.0.expose()).expect("base-62 and a prefix of ASCII are UTF-8")
    }

    /// The auth token as a secret, for its digest or its seal.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// Whether these bytes are a generated auth token as it was made: `None` where they do
/// not begin with its prefix, `Some(false)` where they do and the rest is mistyped.
#[must_use]
pub fn looks_generated(secret: &[u8]) -> Option<bool> {
    secret.strip_prefix(AuthToken::PREFIX.as_bytes())?;
    let sound = secret.len() == AuthToken::LEN
        && secret
            .split_last_chunk::<CHECKSUM_LEN>()
            .is_some_and(|(body, sum)| checksum(body) == *sum);
    Some(sound)
}

const RANDOM_LEN: usize = 30;
/// 62^6 is the first power of 62 above 2^32.
const CHECKSUM_LEN: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Appends random base-62 characters, each equally likely.
pub(super) fn extend_base62(to: &mut Vec<u8>, count: usize) {
    let end = to.len() + count;
    let mut random = Zeroizing::new([0; 64]);
    while to.len() < end {
        rand::rng().fill_bytes(&mut *random);
        // Six bits give 64 values; the two beyond the digits are thrown away, for a
        // remainder would make two digits likelier than the others.
        let digits = random
            .iter()
            .filter_map(|byte| DIGITS.get(usize::from(byte & 63)));
        to.extend(digits.take(end - to.len()));
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = crc32(bytes);
    let mut text = [b'0'; CHECKSUM_LEN];
    for to in text.iter_mut().rev() {
        *to = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    text
}

/// CRC-32 as ISO-HDLC and zlib compute it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ CRC_TABLE[usize::from(low ^ byte)]
    })
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(format!("{:?}", AuthToken(secret)), "AuthToken(Secret(..))");
    }

    #[test]
    fn a_secret_holds_its_bytes_whatever_the_capacity() {
        let mut roomy = Vec::with_capacity(100);
        roomy.extend_from_slice(b"hunter2");
        for bytes in [roomy, b"hunter2".to_vec(), Vec::new()] {
            let expected = bytes.clone();
            assert_eq!(Secret::new(bytes).expose(), expected);
        }
    }

    #[test]
    fn the_checksum_is_crc32_of_the_catalogues_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        // 0xcbf43926 = 3·62^5 + 45·62^4 + 35·62^3 + 27·62^2 + 22·62 + 14
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
        assert_eq!(&checksum(b""), b"000000");
    }

    #[test]
    fn generated_ones_differ_and_are_of_the_documented_form() {
        let made: HashSet<String> = (0..1000)
            .map(|_| AuthToken::generate().expose().to_owned())
            .collect();
        assert_eq!(made.len(), 1000);
        for text in &made {
            assert_eq!(text.len(), 40);
            let rest = text.strip_prefix("sgt_").expect("the prefix");
            assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric()), "{text}");
            assert_eq!(looks_generated(text.as_bytes()), Some(true));
        }
    }

    #[test]
    fn every_digit_is_equally_likely() {
        let mut drawn = Vec::new();
        extend_base62(&mut drawn, 62 * 2000);
        assert_eq!(drawn.len(), 62 * 2000);
        for digit in DIGITS {
            let count = drawn.iter().filter(|b| *b == digit).count();
            // The standard deviation is 44: seven of them are one failure in 10^10 runs.
            assert!(count.abs_diff(2000) < 310, "{digit}: {count}");
        }
    }

    #[test]
    fn other_secrets_are_not_judged() {
        for secret in [&b""[..], b"sgt", b"SGT_x", b"hunter2", b"xsgt_"] {
            assert_eq!(looks_generated(secret), None);
        }
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_noticed(at in 4..AuthToken::LEN, other in any::<u8>()) {
            let mut typed = AuthToken::generate().expose().as_bytes().to_vec();
            prop_assume!(typed[at] != other);
            typed[at] = other;
            prop_assert_eq!(looks_generated(&typed), Some(false));
        }

        #[test]
        fn two_exchanged_characters_are_noticed(at in 4..AuthToken::LEN - 1) {
            let mut typed = AuthToken::generate().expose().as_bytes().to_vec();
            prop_assume!(typed[at] != typed[at + 1]);
            typed.swap(at, at + 1);
            prop_assert_eq!(looks_generated(&typed), Some(false));
        }

        #[test]
        fn a_lost_or_added_character_is_noticed(keep in 4..AuthToken::LEN, more in "[0-9a-z]{1,4}") {
            let whole = AuthToken::generate().expose().as_bytes().to_vec();
            prop_assert_eq!(looks_generated(&whole[..keep]), Some(false));
            let longer = [&whole[..], more.as_bytes()].concat();
            prop_assert_eq!(looks_generated(&longer), Some(false));
        }
    }
}
