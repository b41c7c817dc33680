//! Sealed auth tokens: kept so that they can be shown again, where an operator has set keys
//! for it. Without the key file, what the token file holds opens nothing.
//!
//! A seal is `ID:` and, in base64url, a nonce, the AES-256-GCM-SIV ciphertext (RFC 8452)
//! and its tag. The SID is authenticated along with it, so that a seal that was copied to
//! another token does not open. Keys are rotated by putting a new one first: it seals from
//! then on, and older ones go on opening what they sealed.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{Secret, Sid};

/// What is authenticated before the SID: a seal is for this purpose alone.
const PURPOSE: &[u8] = b"sidgate auth token\0";
/// The longest id of a key.
const ID_MAX: usize = 32;
/// Bytes of a key.
const KEY_LEN: usize = 32;

/// The keys that auth tokens are sealed under.
pub struct SealingKeys {
    /// The first one seals. Never empty.
    keys: Vec<Key>,
}

struct Key {
    id: Box<str>,
    key: RandomizedNonceKey,
}

/// What is wrong with the text of the keys. It never repeats any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadKeys {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// Why a seal does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key of this seal is not among the keys.
    #[error("the auth token is sealed under a key that is not there")]
    UnknownKey,
    /// It is no seal, not this token's, or was changed.
    #[error("the sealed auth token does not open")]
    Broken,
}

impl SealingKeys {
    /// Reads keys: lines of `ID:` and 64 hex digits, the one that seals first. An id is 1 to
    /// 32 of `A-Z a-z 0-9 _ -`. Blank lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first line that is no key, has an id that another has, or stands where none is.
    pub fn parse(text: &str) -> Result<Self, BadKeys> {
        let mut keys: Vec<Key> = Vec::new();
        let mut last = 1;
        for (line, text) in (1..).zip(text.lines()) {
            last = line;
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let bad = |why| BadKeys { line, why };
            let form = "a line is a key's id, a colon and 64 hex digits";
            let (id, hex) = text.split_once(':').ok_or(bad(form))?;
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
            if !(1..=ID_MAX).contains(&id.len()) || !id.bytes().all(allowed) {
                return Err(bad("an id is 1 to 32 of A-Z a-z 0-9 _ -"));
            }
            if keys.iter().any(|key| &*key.id == id) {
                return Err(bad("another key has this id"));
            }
            let bytes = decode_hex(hex).ok_or(bad(form))?;
            let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, &*bytes);
            keys.push(Key {
                id: id.into(),
                key: key.map_err(|_| bad(form))?,
            });
        }
        if keys.is_empty() {
            let why = "there is no key";
            return Err(BadKeys { line: last, why });
        }
        Ok(Self { keys })
    }

    /// Seals an auth token for the token file.
    ///
    /// # Errors
    /// [`SealError::Broken`] where the cipher fails, which it does not for any auth token.
    pub fn seal(&self, sid: &Sid, secret: &Secret) -> Result<Box<str>, SealError> {
        let Key { id, key } = self.keys.first().ok_or(SealError::UnknownKey)?;
        // Room for the tag: growing would leave the secret behind unwiped.
        let tag = AES_256_GCM_SIV.tag_len();
        let mut sealed = Zeroizing::new(Vec::with_capacity(secret.expose().len() + tag));
        sealed.extend_from_slice(secret.expose());
        let nonce = key
            .seal_in_place_append_tag(aad(sid), &mut *sealed)
            .map_err(|_| SealError::Broken)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.extend_from_slice(&sealed);
        let text = URL_SAFE_NO_PAD.encode(bytes);
        Ok(format!("{id}:{text}").into())
    }

    /// Opens the seal of a token's auth token.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, sid: &Sid, sealed: &str) -> Result<Secret, SealError> {
        let (id, text) = sealed.split_once(':').ok_or(SealError::Broken)?;
        let key = self.keys.iter().find(|key| &*key.id == id);
        let key = &key.ok_or(SealError::UnknownKey)?.key;
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| SealError::Broken)?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SealError::Broken)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::from(nonce);
        let opened = key.open_in_place(nonce, aad(sid), &mut sealed);
        opened
            .map(|secret| Secret::copy_of(secret))
            .map_err(|_| SealError::Broken)
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|key| &key.id);
        f.write_str("SealingKeys")?;
        f.debug_list().entries(ids).finish()
    }
}

fn aad(sid: &Sid) -> Aad<Vec<u8>> {
    Aad::from([PURPOSE, sid.as_bytes()].concat())
}

fn decode_hex(text: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let digits = text.as_bytes();
    if digits.len() != 2 * KEY_LEN {
        return None;
    }
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            let value = char::from(digit).to_digit(16)?;
            *byte = *byte << 4 | u8::try_from(value).ok()?;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "k2:FF0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn keys(lines: &[&str]) -> SealingKeys {
        SealingKeys::parse(&lines.join("\n")).expect("keys")
    }

    fn sid(text: &str) -> Sid {
        Sid::parse(text.as_bytes()).expect("a SID")
    }

    #[test]
    fn what_is_sealed_opens_for_its_token_alone() {
        let keys = keys(&["# keys", "", NEW, OLD]);
        let secret = Secret::copy_of(b"sgt_secret");
        let sealed = keys.seal(&sid("A"), &secret).expect("sealed");
        assert!(sealed.starts_with("k2:") && !sealed.contains("secret"));
        let opened = keys.open(&sid("A"), &sealed).expect("opened");
        assert_eq!(opened.expose(), secret.expose());
        assert_eq!(keys.open(&sid("B"), &sealed).err(), Some(SealError::Broken));
        assert_ne!(keys.seal(&sid("A"), &secret).expect("sealed"), sealed);
    }

    #[test]
    fn keys_are_rotated() {
        let secret = Secret::copy_of(b"x");
        let before = keys(&[OLD]).seal(&sid("A"), &secret).expect("sealed");
        let opened = keys(&[NEW, OLD]).open(&sid("A"), &before);
        assert_eq!(opened.expect("opened").expose(), b"x");
        let gone = keys(&[NEW]).open(&sid("A"), &before).err();
        assert_eq!(gone, Some(SealError::UnknownKey));
    }

    #[test]
    fn bad_keys_are_told_by_their_line_alone() {
        for (text, line) in [
            ("", 1),
            ("# none\n", 1),
            ("k1", 1),
            ("k1:00", 1),
            (":0001", 1),
            ("\n\nk!:00", 3),
            (&format!("{OLD}\n{OLD}"), 2),
            (&format!("{OLD}0"), 1),
            (&OLD.replace("1f", "1g"), 1),
        ] {
            let bad = SealingKeys::parse(text).expect_err("bad keys");
            assert_eq!(bad.line, line, "{text}");
            assert!(!bad.to_string().contains("0001"));
        }
        let shown = format!("{:?}", keys(&[OLD]));
        assert_eq!(shown, "SealingKeys[\"k1\"]");
    }

    proptest! {
        /// A seal that was changed anywhere does not open, and no text makes it panic.
        #[test]
        fn a_changed_seal_does_not_open(at in 3usize..50, other in "[A-Za-z0-9_-]", text in "(k1:)?\\PC{0,60}") {
            let keys = keys(&[OLD]);
            let sealed = keys.seal(&sid("A"), &Secret::copy_of(b"a secret of some bytes")).expect("sealed");
            let mut changed = sealed.to_string();
            prop_assume!(at < changed.len() && !changed[at..].starts_with(&other));
            changed.replace_range(at..=at, &other);
            prop_assert!(keys.open(&sid("A"), &changed).is_err());
            prop_assert!(keys.open(&sid("A"), &text).is_err());
        }
    }
}
